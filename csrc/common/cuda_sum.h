// Running sums on a GPU: CUB, compiled once.
#pragma once

#include <cstdint>

namespace geopt {

// Bytes of temporary memory for n values; 0 where there is no GPU, since CUB asks the device.
int64_t running_sum_bytes(int64_t n);

// Replaces each value by the sum up to and with it. Returns a cudaError_t.
int running_sum(void* temporary, int64_t temporary_bytes, int64_t* values, int64_t n, void* stream);

}  // namespace geopt
