#include "common/cuda_sum.h"

#include <cub/device/device_scan.cuh>

namespace geopt {

int64_t running_sum_bytes(int64_t n) {
  size_t bytes = 0;
  int64_t* const values = nullptr;
  const cudaError_t error = cub::DeviceScan::InclusiveSum(nullptr, bytes, values, values, n);
  if (error != cudaSuccess) cudaGetLastError();  // without a GPU; not to be found by the next call
  return static_cast<int64_t>(bytes);
}

int running_sum(void* temporary, int64_t temporary_bytes, int64_t* values, int64_t n, void* stream) {
  auto bytes = static_cast<size_t>(temporary_bytes);
  return cub::DeviceScan::InclusiveSum(temporary, bytes, values, values, n, static_cast<cudaStream_t>(stream));
}

}  // namespace geopt
