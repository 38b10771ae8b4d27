// The tree of boxes of common/point_tree.h, in the form that a GPU builds and walks: 32 points a leaf, 32 children an
// item of each level, one lane of a warp for each.
//
// Nothing is read back while it is built, so the host knows the size of every array from the numbers of points and
// clouds alone. Points are sorted by (cloud, curve, row); those with a NaN or an infinity stay where that puts them and
// never match. Along each level the items of a cloud begin at first_item(), which leaves a gap of at most one item
// between clouds.
#pragma once

#include <math.h>

#include "common/candidate.h"
#include "common/cuda_sort.h"
#include "common/distance.h"
#include "common/lanes.h"
#include "common/launch.h"

namespace geopt::warp {

constexpr int kLevelBits = 5;  // 32 children
constexpr int kMaxLevels = 7;  // 32^7 is above the 2^32 points that a cloud may have
// Of a Morton key, for each axis. Clouds of 60 m get cells of 2 cm; with up to 16 clouds a key has 40 bits, five passes
// of a radix sort.
constexpr int kAxisBits = 12;

struct alignas(16) Point {
  float x, y, z;  // NaN unless all are finite
  uint32_t row;   // counted from the first row of the cloud; kNoRow in the padding of its last leaf
};

struct alignas(16) Box {
  float lower[3];
  uint32_t first_row;  // the lowest in it
  float upper[3];
  uint32_t unused;
};

// What a Morton curve covers along one axis of a cloud.
struct Span {
  float low, high;
};

// Level 0 holds the leaves. A level whose items are one for each cloud has no boxes: nobody asks for them.
struct Tree {
  const float* xyz;
  const int64_t* offsets;
  int64_t n, num_clouds;
  int axis_bits, num_levels;  // levels with boxes
  Span* spans;                // of each axis of each cloud
  uint64_t *unsorted_keys, *keys;
  uint32_t *unsorted_rows, *rows;
  Point* points;  // 32 for each leaf
  Box* boxes[kMaxLevels];
};

// Items of a level for the clouds before `cloud`, whose first row is given, with their gaps. A leaf and an item of
// rows / 32^(level + 1) each: floor(a) + ceil(b) <= floor(a + b) + 1.
GEOPT_HD int64_t first_item(int64_t first_row, int64_t cloud, int level) {
  return (first_row >> kLevelBits * (level + 1)) + cloud;
}

GEOPT_HD int64_t num_items(int64_t num_rows, int level) {
  const int shift = kLevelBits * (level + 1);
  return (num_rows + ((int64_t{1} << shift) - 1)) >> shift;
}

// Items of a level in all, with the gaps.
GEOPT_HD int64_t level_size(const Tree& tree, int level) { return first_item(tree.n, tree.num_clouds, level); }

// Cuts the arrays of a tree, or of points that are only sorted into leaves, along the curves of the tree `curve_of`.
inline Tree cut_tree(
    Workspace& workspace, const float* xyz, const int64_t* offsets, int64_t n, int64_t num_clouds,
    const Tree* curve_of) {
  Tree tree{};
  tree.xyz = xyz, tree.offsets = offsets, tree.n = n, tree.num_clouds = num_clouds;
  const int axis_bits = (64 - bits_of_keys(num_clouds)) / 3;
  tree.axis_bits = axis_bits < kAxisBits ? axis_bits : kAxisBits;
  tree.num_levels = 1;
  while (!curve_of && n >> kLevelBits * (tree.num_levels + 1) > 0) ++tree.num_levels;
  tree.spans = curve_of ? curve_of->spans : workspace.take<Span>(3 * num_clouds);
  tree.unsorted_keys = workspace.take<uint64_t>(n);
  tree.keys = workspace.take<uint64_t>(n);
  tree.unsorted_rows = workspace.take<uint32_t>(n);
  tree.rows = workspace.take<uint32_t>(n);
  tree.points = workspace.take<Point>(kWarp * level_size(tree, 0));
  for (int level = 0; level < tree.num_levels; ++level)
    tree.boxes[level] = workspace.take<Box>(level_size(tree, level));
  return tree;
}

struct Cloud {
  int64_t index, first_row, num_rows;
};

GEOPT_HD Cloud cloud_at(const Tree& tree, int64_t index) {
  return {index, tree.offsets[index], tree.offsets[index + 1] - tree.offsets[index]};
}

// The last cloud that begins at or before an item of a level, or a row of the batch at level -1; empty clouds are
// passed over.
GEOPT_HD Cloud cloud_of(const Tree& tree, int64_t item, int level) {
  int64_t low = 0, high = tree.num_clouds;
  while (high - low > 1) {
    const int64_t middle = (low + high) / 2, row = tree.offsets[middle];
    if ((level < 0 ? row : first_item(row, middle, level)) <= item) low = middle;
    else high = middle;
  }
  return cloud_at(tree, low);
}

// The row of a sample, as good as drawn by chance: equal steps through a turning sensor's points would meet the same
// few directions again and again.
GEOPT_HD int64_t sample_row(int sample, int64_t num_rows) {
  uint32_t x = static_cast<uint32_t>(sample + 1) * 0x9e3779b9u;
  x = (x ^ x >> 16) * 0x85ebca6bu;
  return static_cast<int64_t>((x ^ x >> 13) * static_cast<uint64_t>(num_rows) >> 32);
}

// Lays the curve over the bulk of a cloud, so that a few stray returns do not put all others into one cell.
struct PlaceCurve {
  Tree tree;
  static constexpr int kSamples = 256;
  struct Memory {
    float sample[kSamples];
  };

  // For item / 3 of the clouds, axis item % 3.
  GEOPT_HD_MEMBER void operator()(int64_t item, Memory& memory) const {
    const Cloud cloud = cloud_at(tree, item / 3);
    const int wanted = static_cast<int>(cloud.num_rows < kSamples ? cloud.num_rows : kSamples);
    int count = 0;
    for (int first = 0; first < wanted; first += kWarp) {
      PerLane<float> sample;
      each_lane([&](int lane) {
        sample[lane] = INFINITY;
        if (first + lane >= wanted) return;
        const float* p = tree.xyz + 3 * (cloud.first_row + sample_row(first + lane, cloud.num_rows));
        if (is_finite_point(p)) sample[lane] = p[item % 3];
        memory.sample[first + lane] = sample[lane];
      });
      count += count_bits(lanes_where([&](int lane) { return sample[lane] < INFINITY; }));
    }
    sort_by_lanes(memory.sample, wanted);
    Span span{0.0f, 0.0f};
    if (count > 0) {
      const int cut = count / 100;
      const double low = memory.sample[cut], high = memory.sample[count - 1 - cut], margin = (high - low) / 4;
      const double front = memory.sample[0], back = memory.sample[count - 1];
      span.low = static_cast<float>(low - margin > front ? low - margin : front);
      span.high = static_cast<float>(high + margin < back ? high + margin : back);
    }
    each_lane([&](int lane) {
      if (lane == 0) tree.spans[item] = span;
    });
  }
};

// Bits of x, fewer than 22, spread to every third place.
GEOPT_HD uint64_t spread_bits(uint64_t x) {
  x = (x | x << 32) & 0x001f00000000ffffull;
  x = (x | x << 16) & 0x001f0000ff0000ffull;
  x = (x | x << 8) & 0x100f00f00f00f00full;
  x = (x | x << 4) & 0x10c30c30c30c30c3ull;
  return (x | x << 2) & 0x1249249249249249ull;
}

struct MakeKeys {
  Tree tree;

  GEOPT_HD_MEMBER void operator()(int64_t i) const {
    const Cloud cloud = cloud_of(tree, i, -1);
    const Span* spans = tree.spans + 3 * cloud.index;
    const float* p = tree.xyz + 3 * i;
    float extent = 0.0f;  // cells are cubes, so that leaves are compact
    for (int a = 0; a < 3; ++a) extent = fmaxf(extent, spans[a].high - spans[a].low);
    const float last = static_cast<float>((1 << tree.axis_bits) - 1);
    const float cells_per_metre = extent > 0.0f ? last / extent : 0.0f;
    uint64_t key = 0;
    for (int a = 0; a < 3; ++a) {
      const float cell = (p[a] - spans[a].low) * cells_per_metre;  // NaN becomes 0
      key |= spread_bits(static_cast<uint64_t>(cell > 0.0f ? fminf(cell, last) : 0.0f)) << (2 - a);
    }
    tree.unsorted_keys[i] = static_cast<uint64_t>(cloud.index) << 3 * tree.axis_bits | key;
    tree.unsorted_rows[i] = static_cast<uint32_t>(i);
  }
};

// Writes what surrounds the boxes of 32 lanes.
template <class BoxOf>
GEOPT_HD void write_box(Box* out, const BoxOf& box_of) {
  Box box{};
  GEOPT_UNROLL
  for (int a = 0; a < 3; ++a) {
    box.lower[a] = from_ordered_bits(least_of_lanes([&](int lane) { return ordered_bits(box_of(lane).lower[a]); }));
    box.upper[a] = from_ordered_bits(most_of_lanes([&](int lane) { return ordered_bits(box_of(lane).upper[a]); }));
  }
  box.first_row = least_of_lanes([&](int lane) { return box_of(lane).first_row; });
  each_lane([&](int lane) {
    if (lane == 0) *out = box;
  });
}

// An empty box, infinitely far from all.
GEOPT_HD Box no_box() { return {{INFINITY, INFINITY, INFINITY}, kNoRow, {-INFINITY, -INFINITY, -INFINITY}, 0}; }

struct FillLeaves {
  Tree tree;
  struct Memory {};

  GEOPT_HD_MEMBER void operator()(int64_t item, Memory&) const {
    const Cloud cloud = cloud_of(tree, item, 0);
    const int64_t leaf = item - first_item(cloud.first_row, cloud.index, 0);
    if (leaf >= num_items(cloud.num_rows, 0)) return;  // a gap
    PerLane<Box> boxes;
    each_lane([&](int lane) {
      const int64_t i = kWarp * leaf + lane;
      Point point{NAN, NAN, NAN, kNoRow};
      boxes[lane] = no_box();
      if (i < cloud.num_rows) {
        const int64_t row = tree.rows[cloud.first_row + i];
        const float* p = tree.xyz + 3 * row;
        point.row = static_cast<uint32_t>(row - cloud.first_row);
        if (is_finite_point(p)) {
          point.x = p[0], point.y = p[1], point.z = p[2];
          boxes[lane] = {{p[0], p[1], p[2]}, point.row, {p[0], p[1], p[2]}, 0};
        }
      }
      tree.points[kWarp * item + lane] = point;
    });
    write_box(tree.boxes[0] + item, [&](int lane) -> const Box& { return boxes[lane]; });
  }
};

struct FillBoxes {
  Tree tree;
  int level;  // from 1 on
  struct Memory {};

  GEOPT_HD_MEMBER void operator()(int64_t item, Memory&) const {
    const Cloud cloud = cloud_of(tree, item, level);
    const int64_t index = item - first_item(cloud.first_row, cloud.index, level);
    if (index >= num_items(cloud.num_rows, level)) return;
    const Box* children = tree.boxes[level - 1] + first_item(cloud.first_row, cloud.index, level - 1);
    PerLane<Box> boxes;
    each_lane([&](int lane) {
      const int64_t child = kWarp * index + lane;
      boxes[lane] = child < num_items(cloud.num_rows, level - 1) ? children[child] : no_box();
    });
    write_box(tree.boxes[level] + item, [&](int lane) -> const Box& { return boxes[lane]; });
  }
};

// Sorts points along the curves of their clouds and cuts them into leaves. `own_curves`: the spans are still to be
// found.
template <class Machine>
void sort_into_leaves(Machine& machine, const Tree& tree, bool own_curves) {
  if (own_curves) machine.each_warp(3 * tree.num_clouds, PlaceCurve{tree});
  machine.each(tree.n, MakeKeys{tree});
  machine.sort(
      tree.unsorted_keys, tree.keys, tree.unsorted_rows, tree.rows, tree.n,
      3 * tree.axis_bits + bits_of_keys(tree.num_clouds));
  machine.each_warp(level_size(tree, 0), FillLeaves{tree});
}

template <class Machine>
void build(Machine& machine, const Tree& tree) {
  sort_into_leaves(machine, tree, true);
  for (int level = 1; level < tree.num_levels; ++level)
    machine.each_warp(level_size(tree, level), FillBoxes{tree, level});
}

}  // namespace geopt::warp
