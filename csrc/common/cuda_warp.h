// What the threads of a block find out together. For .cu files alone.
#pragma once

#include <cstdint>

namespace geopt {

constexpr unsigned kFullWarp = 0xffffffffu;

__device__ inline int lane_of_warp() { return static_cast<int>(threadIdx.x) % 32; }
__device__ inline int warp_of_block() { return static_cast<int>(threadIdx.x) / 32; }

// Threads of the warp below this one, as a mask.
__device__ inline unsigned lanes_below() { return (1u << lane_of_warp()) - 1; }

// Sum over this lane and those below.
__device__ inline int64_t inclusive_sum_of_warp(int64_t value) {
  for (int step = 1; step < 32; step *= 2) {
    const int64_t below = __shfl_up_sync(kFullWarp, static_cast<long long>(value), step);
    if (lane_of_warp() >= step) value += below;
  }
  return value;
}

}  // namespace geopt
