// How CUDA kernels are launched, and how one block of workspace is cut. Host functions without a CUDA header, so that
// tests ask them for sizes that no machine at hand could run.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/macros.h"

namespace geopt {

// Blocks of a launch at most, along x; they stride over what is left. A quarter of a million fill every GPU many times
// over, and their threads can be counted in 32 bits.
constexpr int64_t kMaxBlocks = int64_t{1} << 18;

// Whole number of `unit` that hold `count`; right up to the largest count.
GEOPT_HD int64_t units_for(int64_t count, int64_t unit) { return count / unit + (count % unit != 0); }

// Blocks for `count` items, of which a block takes so many at a time: its number of threads where each takes one, its
// number of warps where a warp does, or 1. Never 0, since a launch without a block is an error.
inline unsigned blocks_for(int64_t count, int64_t items_per_block) {
  const int64_t blocks = units_for(count, items_per_block);
  return static_cast<unsigned>(blocks < 1 ? 1 : blocks < kMaxBlocks ? blocks : kMaxBlocks);
}

// Cuts one caller-given block of device memory into aligned arrays; without one, the same cuts measure its size.
class Workspace {
 public:
  explicit Workspace(void* base) : base_(static_cast<char*>(base)) {}

  template <class T>
  T* take(int64_t count) {
    T* out = base_ ? reinterpret_cast<T*>(base_ + used_) : nullptr;
    used_ += units_for(count * static_cast<int64_t>(sizeof(T)), 256) * 256;
    return out;
  }

  int64_t used() const { return used_; }

 private:
  char* base_;
  int64_t used_ = 0;
};

#ifdef __CUDACC__
// for (int64_t i = first_thread(); i < count; i += num_threads()): every item once, whatever blocks_for returned.
__device__ inline int64_t first_thread() { return blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x; }
__device__ inline int64_t num_threads() { return gridDim.x * static_cast<int64_t>(blockDim.x); }
// The same for items that a whole warp takes; blocks have a multiple of 32 threads.
__device__ inline int64_t first_warp() { return first_thread() / 32; }
__device__ inline int64_t num_warps() { return num_threads() / 32; }

// The cloud that holds a row: the last with offsets[cloud] <= row. Empty clouds are passed over.
__device__ inline int64_t cloud_of_row(const int64_t* offsets, int64_t num_clouds, int64_t row) {
  int64_t low = 0, high = num_clouds;
  while (high - low > 1) {
    const int64_t middle = (low + high) / 2;
    if (offsets[middle] <= row) low = middle;
    else high = middle;
  }
  return low;
}
#endif

}  // namespace geopt
