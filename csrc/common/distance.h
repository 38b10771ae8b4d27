// Distances that decide which point is nearer. Every back end calls these functions.
#pragma once

#include "common/macros.h"

namespace geopt {

// Each operation is rounded to float32: the build forbids fused multiply-add. Never NaN for finite points, though it
// overflows to infinity when they are more than 1.8e19 m apart.
GEOPT_HD float squared_length(float x, float y, float z) { return (x * x + y * y) + z * z; }

// How far the intervals [low, high] and [lower, upper] lie apart.
//
// A search around points q of one box may skip another box when squared_length of their gaps exceeds the squared
// distance it has: no point p of the other box can be nearer, in float32 as computed. Rounding is monotone, so
// q <= high < lower <= p gives round(lower - high) <= round(p - q), likewise on the other side, and where the intervals
// overlap the gap is 0. Squares and sums of larger numbers >= 0 are not smaller after rounding either, and both are
// summed in the same order.
GEOPT_HD float axis_gap(float low, float high, float lower, float upper) {
  const float below = lower - high, above = low - upper;
  const float gap = below > above ? below : above;
  return gap > 0.0f ? gap : 0.0f;
}

// False when a coordinate is infinite or NaN: such points are nobody's neighbours.
GEOPT_HD bool is_finite_point(const float* p) { return p[0] - p[0] + (p[1] - p[1]) + (p[2] - p[2]) == 0.0f; }

}  // namespace geopt
