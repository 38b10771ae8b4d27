// Sorting of 16 vectors lane by lane, for kernel files (see simd.h).
#pragma once

#include "common/vec.h"

namespace geopt::GEOPT_LEVEL {
namespace {

template <class V>
GEOPT_INLINE void order(V& a, V& b) {
  const V low = least(a, b);
  b = most(a, b);
  a = low;
}

// Sorts each lane. Source: Green's network of 60 comparators, in Knuth, The Art of Computer Programming, volume 3,
// 5.3.4.
template <class V>
GEOPT_INLINE void sort16(V v[16]) {
#define GEOPT_ORDER(i, j) order(v[i], v[j]);
#define GEOPT_ORDER4(a, b, c, d, e, f, g, h) \
  GEOPT_ORDER(a, b) GEOPT_ORDER(c, d) GEOPT_ORDER(e, f) GEOPT_ORDER(g, h)
  GEOPT_ORDER4(0, 1, 2, 3, 4, 5, 6, 7) GEOPT_ORDER4(8, 9, 10, 11, 12, 13, 14, 15)
  GEOPT_ORDER4(0, 2, 4, 6, 8, 10, 12, 14) GEOPT_ORDER4(1, 3, 5, 7, 9, 11, 13, 15)
  GEOPT_ORDER4(0, 4, 8, 12, 1, 5, 9, 13) GEOPT_ORDER4(2, 6, 10, 14, 3, 7, 11, 15)
  GEOPT_ORDER4(0, 8, 1, 9, 2, 10, 3, 11) GEOPT_ORDER4(4, 12, 5, 13, 6, 14, 7, 15)
  GEOPT_ORDER4(5, 10, 6, 9, 3, 12, 13, 14) GEOPT_ORDER4(4, 8, 7, 11, 1, 2, 1, 4)
  GEOPT_ORDER4(7, 13, 2, 8, 11, 14, 2, 4) GEOPT_ORDER4(5, 6, 9, 10, 11, 13, 3, 8)
  GEOPT_ORDER4(7, 12, 6, 8, 10, 12, 3, 5) GEOPT_ORDER4(7, 9, 3, 4, 5, 6, 7, 8)
  GEOPT_ORDER4(9, 10, 11, 12, 6, 7, 8, 9)
#undef GEOPT_ORDER4
#undef GEOPT_ORDER
}

// Sorts what falls and then rises.
template <class V>
GEOPT_INLINE void sort_bitonic16(V v[16]) {
#pragma GCC unroll 4
  for (int step = 8; step > 0; step /= 2)
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i)
      if (!(i & step)) order(v[i], v[i + step]);
}

// The 16 least of best and v, both sorted, go to best, sorted. Returns the least of the others.
template <class V>
GEOPT_INLINE V merge16(V best[16], const V v[16], V rest) {
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) {
    const V high = most(best[i], v[15 - i]);
    best[i] = least(best[i], v[15 - i]);
    rest = least(rest, high);
  }
  sort_bitonic16(best);
  return rest;
}

}  // namespace
}  // namespace geopt::GEOPT_LEVEL
