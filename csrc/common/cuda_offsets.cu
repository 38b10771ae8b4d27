#include "common/cuda_offsets.h"

#include <cassert>

#include "common/launch.h"

namespace geopt {
namespace {

constexpr int kThreads = 128;

__global__ void assert_offsets(const int64_t* offsets, int64_t count, int64_t num_rows) {
  for (int64_t i = first_thread(); i < count; i += num_threads())
    if (!offset_fits(offsets, count, num_rows, i))
      __assert_fail(  // what assert() becomes, without the place where it was compiled
          "offsets must rise from 0 to the number of rows", "geopt/csrc/common/cuda_offsets.cu", __LINE__,
          "assert_offsets");
}

}  // namespace

int assert_offsets_cuda(const int64_t* offsets, int64_t count, int64_t num_rows, void* stream) {
  assert_offsets<<<blocks_for(count, kThreads), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(
      offsets, count, num_rows);
  return cudaGetLastError();
}

}  // namespace geopt
