// The part of farthest_point_sample that gains from wider instructions: what one pick changes.
#pragma once

#include <cstdint>

#include "common/simd.h"

namespace geopt {

constexpr int kBlockSize = 64;  // points whose nearest picks are kept up to date together
constexpr int kChildren = 16;

// Points that are neighbours along the Morton curve.
struct alignas(64) SampleBlock {
  float xyz[3][kBlockSize];
  float nearest[kBlockSize];  // squared distance to the nearest pick; -1 for picks and padding
  uint32_t row[kBlockSize];
};

// The boxes of up to 16 children, and the point farthest from all picks in each: of equal ones the lowest row. A child
// without such a point has distance -1; so has padding.
struct alignas(64) SampleNode {
  float lower[3][kChildren], upper[3][kChildren];
  float farthest[kChildren];
  uint32_t row[kChildren];
};

// Block b is child b % 16 of groups[b / 16], and group g is child g % 16 of tops[g / 16].
struct SampleTree {
  SampleBlock* blocks;
  SampleNode *groups, *tops;
  int64_t num_tops;
};

// Takes `row` at p out of the race, brings the distances up to date and returns the row that is now farthest from all
// picks; 0xffffffff when all rows are picked.
GEOPT_DECLARE_LEVELS(uint32_t pick_point(const SampleTree& tree, uint32_t row, const float* p))

}  // namespace geopt
