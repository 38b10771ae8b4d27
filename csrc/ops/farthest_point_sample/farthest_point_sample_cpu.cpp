#include "ops/farthest_point_sample/farthest_point_sample.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <vector>

#include "common/curve.h"
#include "common/distance.h"
#include "common/parallel.h"
#include "common/radix_sort.h"
#include "ops/farthest_point_sample/farthest_point_sample_kernel.h"

namespace geopt {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr uint32_t kNoRow = 0xffffffffu;

int64_t rounded_up(int64_t count, int64_t unit) { return (count + unit - 1) / unit; }

void clear(SampleNode& node) {
  for (int c = 0; c < kChildren; ++c) {
    for (int a = 0; a < 3; ++a) node.lower[a][c] = kInfinity, node.upper[a][c] = -kInfinity;
    node.farthest[c] = -1.0f;
    node.row[c] = kNoRow;
  }
}

// Gives a child its box, from the boxes (or the points, which are boxes) of what it holds.
template <int kCount>
void put_child(SampleNode& parent, int64_t child, const float (&lower)[3][kCount], const float (&upper)[3][kCount]) {
  for (int a = 0; a < 3; ++a) {
    float low = kInfinity, high = -kInfinity;
#pragma omp simd reduction(min : low) reduction(max : high)
    for (int i = 0; i < kCount; ++i) {
      low = lower[a][i] < low ? lower[a][i] : low;
      high = upper[a][i] > high ? upper[a][i] : high;
    }
    parent.lower[a][child] = low;
    parent.upper[a][child] = high;
  }
  parent.farthest[child] = kInfinity;  // the first pick updates every point
}

void fill(SampleBlock& block, const float* xyz, const uint64_t* sorted, int64_t count) {
  for (int i = 0; i < kBlockSize; ++i) {
    const auto row = static_cast<uint32_t>(sorted[i < count ? i : 0]);  // padding widens no box
    for (int a = 0; a < 3; ++a) block.xyz[a][i] = xyz[3 * static_cast<int64_t>(row) + a];
    block.row[i] = i < count ? row : kNoRow;
    block.nearest[i] = i < count ? kInfinity : -1.0f;
  }
}

// Arrays of one cloud, which a pick works on.
class Sampler {
 public:
  Sampler(const float* xyz, int64_t n) {
    const auto words = uninitialized<uint64_t>(n), spare = uninitialized<uint64_t>(n);
    GEOPT_LEVEL_IN_USE(curve_words)(xyz, n, place_curve(xyz, n), words.get());
    const uint64_t* const sorted = radix_sort(
        words.get(), spare.get(), n, [](uint64_t word) { return word >> 32; }, kCurveBits, num_sort_chunks(n));
    num_points_ = std::partition_point(sorted, sorted + n, [](uint64_t word) { return word >> 32 < kOffCurve; }) - sorted;

    const int64_t num_blocks = rounded_up(num_points_, kBlockSize);
    const int64_t num_groups = rounded_up(num_blocks, kChildren), num_tops = rounded_up(num_groups, kChildren);
    blocks_.reset(new SampleBlock[num_blocks]);
    groups_.reset(new SampleNode[num_groups]);
    tops_.reset(new SampleNode[num_tops]);
    tree_ = {blocks_.get(), groups_.get(), tops_.get(), num_tops};
    for (int64_t g = 0; g < num_groups; ++g) clear(groups_[g]);
    for (int64_t t = 0; t < num_tops; ++t) clear(tops_[t]);
    parallel_for(0, num_groups, 8, [&](int64_t from, int64_t to) {
      const int64_t end = std::min(to * kChildren, num_blocks);
      for (int64_t b = from * kChildren; b < end; ++b) {
        const int64_t first = b * kBlockSize;
        fill(blocks_[b], xyz, sorted + first, std::min<int64_t>(num_points_ - first, kBlockSize));
        put_child(groups_[b / kChildren], b % kChildren, blocks_[b].xyz, blocks_[b].xyz);
      }
    });
    for (int64_t g = 0; g < num_groups; ++g)
      put_child(tops_[g / kChildren], g % kChildren, groups_[g].lower, groups_[g].upper);
  }

  int64_t num_points() const { return num_points_; }

  const SampleTree& tree() const { return tree_; }

 private:
  std::unique_ptr<SampleBlock[]> blocks_;
  std::unique_ptr<SampleNode[]> groups_, tops_;
  SampleTree tree_;
  int64_t num_points_;
};

// Row that is finite and the first from `start` on, round the end; there must be one.
uint32_t first_from(const float* xyz, int64_t n, int64_t start) {
  int64_t row = start;
  while (row >= n || !is_finite_point(xyz + 3 * row)) row = row >= n ? 0 : row + 1;
  return static_cast<uint32_t>(row);
}

}  // namespace

int64_t farthest_point_sample_cpu(
    const float* xyz, const int64_t* offsets, int64_t num_clouds, int64_t num_samples, int64_t start, int64_t* picks) {
  const auto pick_point = GEOPT_LEVEL_IN_USE(pick_point);
  std::vector<char> too_few(num_clouds, 0);
  parallel_for(0, num_clouds, 1, [&](int64_t from, int64_t to) {
    for (int64_t c = from; c < to; ++c) {
      const float* const cloud = xyz + 3 * offsets[c];
      const int64_t num_rows = offsets[c + 1] - offsets[c];
      const Sampler sampler(cloud, num_rows);
      too_few[c] = sampler.num_points() < num_samples;
      if (too_few[c] || num_samples == 0) continue;
      uint32_t row = first_from(cloud, num_rows, start);
      for (int64_t s = 0; s < num_samples; ++s) {
        picks[c * num_samples + s] = offsets[c] + row;
        row = pick_point(sampler.tree(), row, cloud + 3 * static_cast<int64_t>(row));
      }
    }
  });
  const auto first = std::find(too_few.begin(), too_few.end(), 1);
  return first == too_few.end() ? -1 : first - too_few.begin();
}

}  // namespace geopt
