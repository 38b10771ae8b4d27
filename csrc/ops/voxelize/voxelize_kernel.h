// The part of voxelize that gains from wider instructions: from points to words that are sorted.
#pragma once

#include <cstdint>

#include "common/simd.h"

namespace geopt {

// A grid of fewer than 2**32 finest cells in a cloud.
struct WordPlan {
  float lower[3], size[3], shape[3];
  bool one_level;
  const uint32_t* parts[3];  // per axis, what each index adds to the finest key; its multiple where there is one level
  int row_bits;              // a word is key << row_bits | row
};

// Writes the words of `count` points of one cloud, the first of which is row `first_row` of the batch. `first_key` is
// the key of the cloud's first cell, `outside` the key of points in no cell.
GEOPT_DECLARE_LEVELS(void voxel_words(
    const float* xyz, int64_t count, const WordPlan& plan, uint64_t first_key, uint64_t outside, uint64_t first_row,
    uint64_t* words))

}  // namespace geopt
