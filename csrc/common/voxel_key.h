// Which voxel holds a point, and the one integer that names it. Every back end calls these functions.
#pragma once

#include <math.h>
#include <stdint.h>

#include "common/macros.h"

namespace geopt {

constexpr int kMaxLevels = 6;

// A grid of finest cells in float32, and how coarser levels divide it.
struct KeyLayout {
  float lower[3];
  float size[3];
  int64_t shape[3];                // finest cells per axis
  int num_levels;                  // 1 + number of subdivisions
  int64_t ratio[kMaxLevels][3];    // ratio[l]: cells of level l per cell of level l - 1 and axis; ratio[0] is unused
  int64_t divisor[kMaxLevels];     // finest key / divisor[l] = key of level l
  int64_t cells_per_cloud;         // finest cells
  uint32_t tokens[3];              // cells of level 0 per axis
  uint32_t span[kMaxLevels][3];    // finest cells in one of level l, per axis
};

// Index along one axis as a float, of any size. The subtraction and the division are rounded separately to float32.
GEOPT_HD float axis_index(float p, float lower, float size) { return floorf((p - lower) / size); }

// Whether a grid of `shape` voxels along the axis has such an index: not for NaN.
GEOPT_HD bool on_axis(float index, float shape) { return (index >= 0.0f) & (index < shape); }

// Index along one axis, or -1 outside.
GEOPT_HD int64_t voxel_axis(float p, float lower, float size, int64_t shape) {
  const float index = axis_index(p, lower, size);
  return on_axis(index, static_cast<float>(shape)) ? static_cast<int64_t>(index) : -1;
}

// Row-major token index followed by the row-major slot of each level in its parent. Divisions are of 32 bits, which
// holds the cells of an axis: those of 64 bits take a GPU four times as long.
GEOPT_HD int64_t nested_key(const KeyLayout& layout, const int64_t cell[3]) {
  int64_t key = 0;
  uint32_t rest[3];  // where the cell lies in the one of the level before
  for (int a = 0; a < 3; ++a) {
    const uint32_t index = static_cast<uint32_t>(cell[a]), token = index / layout.span[0][a];
    key = key * layout.tokens[a] + token;
    rest[a] = index - token * layout.span[0][a];
  }
  for (int l = 1; l < layout.num_levels; ++l)
    for (int a = 0; a < 3; ++a) {
      const uint32_t slot = rest[a] / layout.span[l][a];
      key = key * layout.ratio[l][a] + slot;
      rest[a] -= slot * layout.span[l][a];
    }
  return key;
}

// Batch and (x, y, z) of the finest cell with this key, batch included.
GEOPT_HD void cell_of_key(const KeyLayout& layout, int64_t key, int32_t bxyz[4]) {
  uint32_t cell[3] = {0, 0, 0};
  for (int l = layout.num_levels - 1; l > 0; --l)
    for (int a = 2; a >= 0; --a) {
      const int64_t above = key / layout.ratio[l][a];
      cell[a] += static_cast<uint32_t>(key - above * layout.ratio[l][a]) * layout.span[l][a];
      key = above;
    }
  for (int a = 2; a >= 0; --a) {
    const int64_t above = key / layout.tokens[a];
    bxyz[1 + a] = static_cast<int32_t>(cell[a] + static_cast<uint32_t>(key - above * layout.tokens[a]) * layout.span[0][a]);
    key = above;
  }
  bxyz[0] = static_cast<int32_t>(key);
}

// The coarsest level on which the cell of `key` is another than that of the smaller or equal key before it;
// num_levels where none is. `gap` is the difference of the two keys, the largest number where there is none before.
template <class Key>
GEOPT_HD int first_new_level(const KeyLayout& layout, Key key, Key gap) {
  Key rest = key;  // keys that the cell of the level holds below this one; a divisor is a multiple of the next
  for (int l = 0; l < layout.num_levels; ++l) {
    rest %= static_cast<Key>(layout.divisor[l]);
    if (rest < gap) return l;
  }
  return layout.num_levels;
}

// Finest key of a point in its cloud, or -1 when it lies in no voxel.
GEOPT_HD int64_t point_key(const KeyLayout& layout, const float* p) {
  int64_t cell[3];
  for (int a = 0; a < 3; ++a) {
    cell[a] = voxel_axis(p[a], layout.lower[a], layout.size[a], layout.shape[a]);
    if (cell[a] < 0) return -1;
  }
  return nested_key(layout, cell);
}

// shape is counted in cells of the last level; ratios has three numbers for each level but the first.
inline KeyLayout make_layout(
    const double lower[3], const double size[3], const int64_t shape[3], int num_levels, const int64_t* ratios) {
  KeyLayout layout{};
  layout.num_levels = num_levels;
  for (int a = 0; a < 3; ++a) {
    layout.lower[a] = static_cast<float>(lower[a]);
    layout.size[a] = static_cast<float>(size[a]);
    layout.shape[a] = shape[a];
    layout.ratio[0][a] = 1;
    for (int l = 1; l < num_levels; ++l) layout.ratio[l][a] = ratios[3 * (l - 1) + a];
    layout.span[num_levels - 1][a] = 1;
    for (int l = num_levels - 1; l > 0; --l)
      layout.span[l - 1][a] = layout.span[l][a] * static_cast<uint32_t>(layout.ratio[l][a]);
    layout.tokens[a] = static_cast<uint32_t>(shape[a]) / layout.span[0][a];
  }
  layout.cells_per_cloud = layout.shape[0] * layout.shape[1] * layout.shape[2];
  layout.divisor[num_levels - 1] = 1;
  for (int l = num_levels - 1; l > 0; --l)
    layout.divisor[l - 1] = layout.divisor[l] * layout.ratio[l][0] * layout.ratio[l][1] * layout.ratio[l][2];
  return layout;
}

}  // namespace geopt
