// Code for the 32 lanes of a warp, which the host runs too: there a loop takes one lane after the other.
//
// It is a sequence of steps. In each_lane a lane works by itself: it may read what others wrote in earlier steps, and
// nothing that others write in the same one. Between steps all lanes take the same branches.
#pragma once

#include <stdint.h>
#include <string.h>

#include "common/macros.h"

namespace geopt {

constexpr int kWarp = 32;

// A value of each lane: a register on the device.
template <class T>
class PerLane {
 public:
  GEOPT_HD_MEMBER T& operator[](int lane) {
#ifdef __CUDA_ARCH__
    return own_;
#else
    return all_[lane];
#endif
  }

 private:
#ifdef __CUDA_ARCH__
  T own_;
#else
  T all_[kWarp];
#endif
};

template <class Step>
GEOPT_HD void each_lane(const Step& step) {
#ifdef __CUDA_ARCH__
  step(static_cast<int>(threadIdx.x % kWarp));
  __syncwarp();
#else
  for (int lane = 0; lane < kWarp; ++lane) step(lane);
#endif
}

// A bit for each lane where it holds.
template <class Holds>
GEOPT_HD uint32_t lanes_where(const Holds& holds) {
#ifdef __CUDA_ARCH__
  return __ballot_sync(0xffffffffu, holds(static_cast<int>(threadIdx.x % kWarp)));
#else
  uint32_t bits = 0;
  for (int lane = 0; lane < kWarp; ++lane) bits |= uint32_t{holds(lane)} << lane;
  return bits;
#endif
}

template <class Value>
GEOPT_HD uint32_t least_of_lanes(const Value& value) {
#ifdef __CUDA_ARCH__
  return __reduce_min_sync(0xffffffffu, value(static_cast<int>(threadIdx.x % kWarp)));
#else
  uint32_t least = value(0);
  for (int lane = 1; lane < kWarp; ++lane) {
    const uint32_t other = value(lane);
    least = other < least ? other : least;
  }
  return least;
#endif
}

template <class Value>
GEOPT_HD uint32_t most_of_lanes(const Value& value) {
  return ~least_of_lanes([&](int lane) { return ~value(lane); });
}

GEOPT_HD int count_bits(uint32_t bits) {
#ifdef __CUDA_ARCH__
  return __popc(bits);
#else
  return __builtin_popcount(bits);
#endif
}

// Floats, but not NaN, order like these numbers.
GEOPT_HD uint32_t ordered_bits(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits ^ (bits >> 31 ? 0xffffffffu : 0x80000000u);
}
GEOPT_HD float from_ordered_bits(uint32_t ordered) {
  const uint32_t bits = ordered ^ (ordered >> 31 ? 0x80000000u : 0xffffffffu);
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

// Sorts values[0 .. count) in memory that the lanes share, by compare and exchange. `count` may be any number: pairs
// that reach past the end are those that would meet an infinity there, and every pair puts its smaller value first.
template <class T>
GEOPT_HD void sort_by_lanes(T* values, int64_t count) {
  for (int64_t width = 2; width / 2 < count; width *= 2)
    for (int64_t step = width / 2; step > 0; step /= 2)
      each_lane([&](int lane) {
        for (int64_t i = lane; i < count; i += kWarp) {
          // In the first round of a width the second half of a block is met in reverse, so that both ascend together.
          const int64_t at = i & (2 * step - 1);
          const int64_t other = step == width / 2 ? i - at + 2 * step - 1 - at : i + step;
          if (at >= step || other >= count) continue;
          const T a = values[i], b = values[other];
          if (b < a) values[i] = b, values[other] = a;
        }
      });
}

}  // namespace geopt
