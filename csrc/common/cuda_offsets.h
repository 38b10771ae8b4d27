// Whether offsets rise, asked without waiting for the answer.
#pragma once

#include <cstdint>

#include "common/macros.h"

namespace geopt {

// Of entry i of `count` offsets of clouds with num_rows rows in all.
GEOPT_HD bool offset_fits(const int64_t* offsets, int64_t count, int64_t num_rows, int64_t i) {
  if (i == 0 ? offsets[i] != 0 : offsets[i] < offsets[i - 1]) return false;
  return i + 1 < count || offsets[i] == num_rows;
}

#ifdef GEOPT_WITH_CUDA
// Where one does not fit, a device-side assertion ends all work on the GPU before a kernel that comes later in the
// stream reads out of bounds, as torch does for an index out of range. Returns a cudaError_t.
int assert_offsets_cuda(const int64_t* offsets, int64_t count, int64_t num_rows, void* stream);
#endif

}  // namespace geopt
