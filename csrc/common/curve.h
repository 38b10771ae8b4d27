// A Morton curve through a cloud: points that follow each other along it lie close together.
#pragma once

#include <cstdint>

#include "common/simd.h"

namespace geopt {

// Cells of one size from a corner on. What lies outside counts as its outermost cells.
struct Curve {
  float lower[3];
  float cells_per_metre;
};

constexpr int kCurveBits = 30;  // of a key, a third of them for each axis
constexpr uint64_t kOffCurve = (uint64_t{1} << kCurveBits) - 1;  // of points with a NaN or an infinity; no cell has it

// Lays the curve over the bulk of a cloud, so that a few stray returns do not put all others into one cell.
Curve place_curve(const float* xyz, int64_t n);

// Writes key << 32 | row for n points, fewer than 2**32.
GEOPT_DECLARE_LEVELS(void curve_words(const float* xyz, int64_t n, const Curve& curve, uint64_t* words))

}  // namespace geopt
