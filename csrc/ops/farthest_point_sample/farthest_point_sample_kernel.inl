#include "common/distance.h"
#include "ops/farthest_point_sample/farthest_point_sample_kernel.h"

namespace geopt::GEOPT_LEVEL {
namespace {

constexpr uint32_t kNone = 0xffffffffu;

struct Farthest {
  float distance;
  uint32_t row;
};

// The lowest row at this distance, the highest of all.
template <int kCount>
inline Farthest lowest_at(float highest, const float* distance, const uint32_t* row) {
  uint32_t lowest = kNone;
#pragma omp simd reduction(min : lowest)
  for (int i = 0; i < kCount; ++i) {
    const uint32_t own = row[i], tied = distance[i] == highest ? own : kNone;
    lowest = tied < lowest ? tied : lowest;
  }
  return {highest, lowest};
}

inline Farthest farthest_of(const SampleNode& node) {
  float highest = -1.0f;
#pragma omp simd reduction(max : highest)
  for (int c = 0; c < kChildren; ++c) highest = node.farthest[c] > highest ? node.farthest[c] : highest;
  return lowest_at<kChildren>(highest, node.farthest, node.row);
}

// Bit c is set where child c may hold a point that is nearer to p than to every pick before: a pick changes no other.
// "<=": the picked point itself lies at distance 0 of its box, and must be taken out.
inline uint32_t concerned(const SampleNode& node, float x, float y, float z) {
  constexpr uint32_t kBit[kChildren] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768};
  uint32_t mask = 0;
#pragma omp simd reduction(| : mask)
  for (int c = 0; c < kChildren; ++c) {
    const float gap = squared_length(
        axis_gap(x, x, node.lower[0][c], node.upper[0][c]), axis_gap(y, y, node.lower[1][c], node.upper[1][c]),
        axis_gap(z, z, node.lower[2][c], node.upper[2][c]));
    const uint32_t bit = kBit[c];  // SSE cannot shift by a number of its own for each child
    mask |= gap <= node.farthest[c] ? bit : 0;
  }
  return mask;
}

inline Farthest update_block(SampleBlock& block, uint32_t row, float x, float y, float z) {
  float highest = -1.0f;
#pragma omp simd reduction(max : highest)
  for (int i = 0; i < kBlockSize; ++i) {
    const float distance = squared_length(x - block.xyz[0][i], y - block.xyz[1][i], z - block.xyz[2][i]);
    const float nearer = distance < block.nearest[i] ? distance : block.nearest[i];
    const uint32_t own = block.row[i];
    const float nearest = own == row ? -1.0f : nearer;
    block.nearest[i] = nearest;
    highest = nearest > highest ? nearest : highest;
  }
  return lowest_at<kBlockSize>(highest, block.nearest, block.row);
}

}  // namespace

uint32_t pick_point(const SampleTree& tree, uint32_t row, const float* p) {
  const float x = p[0], y = p[1], z = p[2];
  Farthest next{-1.0f, kNone};
  for (int64_t t = 0; t < tree.num_tops; ++t) {
    SampleNode& top = tree.tops[t];
    for (uint32_t groups = concerned(top, x, y, z); groups != 0; groups &= groups - 1) {
      const int g = __builtin_ctz(groups);
      SampleNode& group = tree.groups[t * kChildren + g];
      SampleBlock* const blocks = tree.blocks + (t * kChildren + g) * kChildren;
      for (uint32_t children = concerned(group, x, y, z); children != 0; children &= children - 1) {
        const int b = __builtin_ctz(children);
        const Farthest left = update_block(blocks[b], row, x, y, z);
        group.farthest[b] = left.distance;
        group.row[b] = left.row;
      }
      const Farthest left = farthest_of(group);
      top.farthest[g] = left.distance;
      top.row[g] = left.row;
    }
    const Farthest here = farthest_of(top);
    if (here.distance > next.distance || (here.distance == next.distance && here.row < next.row)) next = here;
  }
  return next.distance < 0.0f ? kNone : next.row;
}

}  // namespace geopt::GEOPT_LEVEL
