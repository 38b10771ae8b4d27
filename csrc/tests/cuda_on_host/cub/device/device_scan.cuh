// What the kernels use of CUB's scans, on the host.
#pragma once

namespace cub {

struct DeviceScan {
  template <class In, class Out>
  static cudaError_t InclusiveSum(void* temporary, size_t& bytes, In from, Out to, int64_t n, cudaStream_t = nullptr) {
    if (temporary == nullptr) return bytes = 1, cudaSuccess;
    for (int64_t i = 0; i < n; ++i) to[i] = i == 0 ? from[0] : to[i - 1] + from[i];
    return cudaSuccess;
  }
};

}  // namespace cub
