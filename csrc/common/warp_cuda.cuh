// Maps items to threads and warps of a stream; what they do stands in common/warp_*.h, which the host runs too.
#pragma once

#include <algorithm>

#include "common/cuda_sort.h"
#include "common/cuda_sum.h"
#include "common/lanes.h"
#include "common/launch.h"

namespace geopt::warp {

constexpr int kThreads = 128;

template <class F>
__global__ void __launch_bounds__(kThreads) run_each(const __grid_constant__ F f, int64_t count) {
  for (int64_t i = first_thread(); i < count; i += num_threads()) f(i);
}

template <class F>
__global__ void __launch_bounds__(kThreads) run_warps(const __grid_constant__ F f, int64_t count) {
  __shared__ typename F::Memory memory[kThreads / kWarp];
  for (int64_t i = first_warp(); i < count; i += num_warps()) f(i, memory[threadIdx.x / kWarp]);
}

class CudaMachine {
 public:
  explicit CudaMachine(void* stream) : stream_(static_cast<cudaStream_t>(stream)) {}

  // For sort() of n pairs and sum() of n + 1 values.
  void take_temporary(Workspace& workspace, int64_t n) {
    temporary_bytes_ = std::max(sort_pairs_bytes<uint64_t, uint32_t>(n), running_sum_bytes(n + 1));
    temporary_ = workspace.take<char>(temporary_bytes_);
  }

  template <class F>
  void each(int64_t count, const F& f) {
    if (error_ != cudaSuccess || count == 0) return;
    run_each<<<blocks_for(count, kThreads), kThreads, 0, stream_>>>(f, count);
    error_ = cudaGetLastError();
  }

  template <class F>
  void each_warp(int64_t count, const F& f) {
    if (error_ != cudaSuccess || count == 0) return;
    run_warps<<<blocks_for(count, kThreads / kWarp), kThreads, 0, stream_>>>(f, count);
    error_ = cudaGetLastError();
  }

  void sort(
      const uint64_t* keys, uint64_t* sorted_keys, const uint32_t* rows, uint32_t* sorted_rows, int64_t n, int bits) {
    if (error_ != cudaSuccess || n == 0) return;
    error_ = sort_pairs(temporary_, temporary_bytes_, keys, sorted_keys, rows, sorted_rows, n, bits, stream_);
  }

  void sum(int64_t* values, int64_t n) {
    if (error_ == cudaSuccess) error_ = running_sum(temporary_, temporary_bytes_, values, n, stream_);
  }

  int error() const { return error_; }

 private:
  cudaStream_t stream_;
  int error_ = cudaSuccess;
  void* temporary_ = nullptr;
  int64_t temporary_bytes_ = 0;
};

}  // namespace geopt::warp
