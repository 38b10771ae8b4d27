#include "ops/farthest_point_sample/farthest_point_sample.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "common/parallel.h"
#include "common/point_tree.h"

namespace geopt {
namespace {

// Squared distance to the nearest pick and row as one number whose maximum is the next pick: far first, then low rows.
using Rank = uint64_t;
constexpr Rank kPicked = 0;  // also of padding

Rank make_rank(float squared_distance, uint32_t row) { return make_candidate(squared_distance, kNoRow - row); }
float rank_distance(Rank rank) { return candidate_distance(rank); }
uint32_t rank_row(Rank rank) { return kNoRow - candidate_row(rank); }

// One cloud. Each node remembers the best rank under each child. A pick changes only points nearer to it than to all
// earlier picks, so a child whose box lies beyond the best distance under it stays as it is.
class Sampler {
 public:
  Sampler(const PointTree& tree, const Cloud& cloud)
      : tree_(tree), cloud_(cloud), nearest_(cloud.num_leaves * kLeafSize), best_(cloud.level_nodes.size()) {
    int64_t children = cloud.num_leaves;
    for (auto& level : best_) {
      level.assign(children, make_rank(std::numeric_limits<float>::infinity(), 0));
      children = (children + kFanout - 1) / kFanout;
    }
    std::fill(nearest_.begin(), nearest_.end(), std::numeric_limits<float>::infinity());
    for (int64_t l = 0; l < cloud.num_leaves; ++l)
      for (int i = 0; i < kLeafSize; ++i) {
        const uint32_t row = tree.leaf(cloud, l).row[i];
        if (row == kNoRow) nearest_[l * kLeafSize + i] = -1.0f;
        else ++num_points_;
      }
  }

  int64_t num_points() const { return num_points_; }

  // Row of the cloud that is finite and the first from `start` on, round the end.
  uint32_t first_from(int64_t start) const {
    uint32_t lowest = kNoRow, after = kNoRow;
    for (int64_t l = 0; l < cloud_.num_leaves; ++l)
      for (const uint32_t row : tree_.leaf(cloud_, l).row) {
        lowest = std::min(lowest, row);
        if (row >= start) after = std::min(after, row);
      }
    return after != kNoRow ? after : lowest;
  }

  // Takes a row out of the race, lets the others know, and returns the next.
  uint32_t pick(uint32_t row, const float* p) {
    return rank_row(update(static_cast<int>(best_.size()), 0, row, p));
  }

 private:
  // Best rank under a node (level > 0) or in a leaf after picking `row` at p.
  Rank update(int level, int64_t index, uint32_t row, const float* p) {
    if (level == 0) return update_leaf(index, row, p);
    const Node& node = tree_.node(cloud_, level, index);
    float gap[kFanout];
    node.distances(p, p, gap);
    std::vector<Rank>& best = best_[level - 1];
    const int64_t first = index * kFanout, end = std::min<int64_t>(first + kFanout, best.size());
    Rank highest = kPicked;
    for (int64_t child = first; child < end; ++child) {
      // "<=": the picked point itself lies at distance 0 of its box, and must be taken out.
      if (gap[child - first] <= rank_distance(best[child])) best[child] = update(level - 1, child, row, p);
      highest = std::max(highest, best[child]);
    }
    return highest;
  }

  Rank update_leaf(int64_t index, uint32_t row, const float* p) {
    const Leaf& leaf = tree_.leaf(cloud_, index);
    float* nearest = nearest_.data() + index * kLeafSize;
    float distances[kLeafSize];
    leaf.distances(p, distances);
    for (int i = 0; i < kLeafSize; ++i) {
      const float closer = distances[i] < nearest[i] ? distances[i] : nearest[i];
      nearest[i] = leaf.row[i] == row ? -1.0f : closer;
    }
    Rank highest = kPicked;
    for (int i = 0; i < kLeafSize; ++i)
      highest = std::max(highest, nearest[i] < 0.0f ? kPicked : make_rank(nearest[i], leaf.row[i]));
    return highest;
  }

  const PointTree& tree_;
  const Cloud& cloud_;
  std::vector<float> nearest_;           // per slot of the leaves; -1 for picked points and padding
  std::vector<std::vector<Rank>> best_;  // per level, per child of its nodes
  int64_t num_points_ = 0;
};

}  // namespace

int64_t farthest_point_sample_cpu(
    const float* xyz, int64_t n, const int64_t* offsets, int64_t num_clouds, int64_t num_samples, int64_t start,
    int64_t* picks) {
  const PointTree tree(xyz, n, offsets, num_clouds);
  std::vector<char> too_few(num_clouds, 0);
  parallel_for(0, num_clouds, 1, [&](int64_t from, int64_t to) {
    for (int64_t c = from; c < to; ++c) {
      const Cloud& cloud = tree.cloud(c);
      Sampler sampler(tree, cloud);
      too_few[c] = sampler.num_points() < num_samples;
      if (too_few[c] || num_samples == 0) continue;
      uint32_t row = sampler.first_from(start);
      for (int64_t s = 0; s < num_samples; ++s) {
        picks[c * num_samples + s] = cloud.first_row + row;
        row = sampler.pick(row, xyz + 3 * (cloud.first_row + row));
      }
    }
  });
  const auto first = std::find(too_few.begin(), too_few.end(), 1);
  return first == too_few.end() ? -1 : first - too_few.begin();
}

}  // namespace geopt
