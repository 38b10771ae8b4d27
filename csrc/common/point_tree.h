// A tree of boxes over the points of each cloud of a batch, for exact searches.
//
// Points are sorted along a Morton curve and cut into leaves of 16; 16 neighbours in that order share a parent, and so
// on upwards. The curve decides only how fast a search is: boxes are those of the points themselves, so a search that
// skips what axis_gap (distance.h) rules out finds what a comparison with every point finds, to the bit.
// Points with a NaN or an infinity are left out.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "common/candidate.h"
#include "common/curve.h"
#include "common/distance.h"

namespace geopt {

constexpr int kLeafSize = 16;
constexpr int kFanout = 16;

struct alignas(64) Leaf {
  float xyz[3][kLeafSize];  // infinity in the padding
  uint32_t row[kLeafSize];  // counted from the first row of the cloud

  // Squared distances of its points from p.
  void distances(const float* p, float* out) const {
#pragma omp simd
    for (int i = 0; i < kLeafSize; ++i) out[i] = squared_length(p[0] - xyz[0][i], p[1] - xyz[1][i], p[2] - xyz[2][i]);
  }
};

// The boxes of up to 16 children, the smallest row in each; padding is an empty box, infinitely far from all.
struct alignas(64) Node {
  float lower[3][kFanout], upper[3][kFanout];
  uint32_t first_row[kFanout];

  // Squared distances from the box [low, high], which may be a point.
  void distances(const float* low, const float* high, float* out) const {
#pragma omp simd
    for (int i = 0; i < kFanout; ++i)
      out[i] = squared_length(
          axis_gap(low[0], high[0], lower[0][i], upper[0][i]), axis_gap(low[1], high[1], lower[1][i], upper[1][i]),
          axis_gap(low[2], high[2], lower[2][i], upper[2][i]));
  }
};

// Numbers of the children within `reach`; returns how many.
inline int within(const float distances[kFanout], float reach, int passing[kFanout]) {
  int count = 0;
  for (int i = 0; i < kFanout; ++i) {  // without a branch: which children pass is unpredictable
    passing[count] = i;
    count += distances[i] <= reach;
  }
  return count;
}

struct Cloud {
  int64_t first_row = 0, num_rows = 0;
  int64_t first_leaf = 0, num_leaves = 0;
  std::vector<int64_t> level_nodes;  // where the nodes of each level begin in PointTree::nodes, leaves' parents first
  Curve curve;
};

// Writes the candidates of a leaf that are below `bound` and returns how many; `out` has room for the whole leaf.
inline int append_below(const Leaf& leaf, const float* query, Candidate bound, Candidate* out) {
  float distances[kLeafSize];
  leaf.distances(query, distances);
  int count = 0;
  for (int i = 0; i < kLeafSize; ++i) {  // without a branch: whether a point is near enough is unpredictable
    const Candidate candidate = make_candidate(distances[i], leaf.row[i]);
    out[count] = candidate;
    count += candidate < bound;
  }
  return count;
}

// The points of a batch along the curves of their clouds; those of one cell ascend by row.
struct CurveOrder {
  std::unique_ptr<uint64_t[]> words;  // a point each: key << 32 | row in its cloud, in place of the rows of that cloud
  std::vector<int64_t> num_finite;    // of each cloud; those points come first

  static uint32_t row(uint64_t word) { return static_cast<uint32_t>(word); }
  static uint32_t key(uint64_t word) { return static_cast<uint32_t>(word >> 32); }
};

// What a search reads of one cloud.
struct TreeView {
  const Leaf* leaves;
  const Node* nodes;
  const int64_t* level_nodes;  // where the nodes of each level begin, leaves' parents first
  int num_levels;
  int64_t num_leaves;
};

class PointTree {
 public:
  // xyz (n, 3), offsets (num_clouds + 1); clouds of fewer than 2**32 - 1 rows.
  PointTree(const float* xyz, int64_t n, const int64_t* offsets, int64_t num_clouds);

  // Other points along the curves of these clouds.
  CurveOrder order_of(const float* xyz, int64_t n, const int64_t* offsets) const;

  int64_t num_points() const { return num_points_; }
  int64_t num_leaves() const { return num_leaves_; }
  int64_t num_clouds() const { return static_cast<int64_t>(clouds_.size()); }
  // Curve key of the first point of a leaf.
  uint32_t leaf_key(const Cloud& cloud, int64_t index) const { return leaf_keys_[cloud.first_leaf + index]; }

  const Cloud& cloud(int64_t index) const { return clouds_[index]; }
  const Leaf& leaf(const Cloud& cloud, int64_t index) const { return leaves_[cloud.first_leaf + index]; }
  // Level 1 holds the parents of the leaves; the last level of a cloud is one node.
  const Node& node(const Cloud& cloud, int level, int64_t index) const {
    return nodes_[cloud.level_nodes[level - 1] + index];
  }

  TreeView view(const Cloud& cloud) const {
    return {leaves_.get() + cloud.first_leaf, nodes_.get(), cloud.level_nodes.data(),
            static_cast<int>(cloud.level_nodes.size()), cloud.num_leaves};
  }

  // Calls visit(leaf index) for every leaf that may hold a candidate below `bound` for a query in the box [low, high],
  // which may be a point; nearer ones mostly first. `visit` may lower `bound` as it finds candidates.
  template <class Visit>
  void walk(const Cloud& cloud, const float* low, const float* high, const Candidate& bound, const Visit& visit) const;

 private:
  void size_levels(const std::vector<int64_t>& num_finite);
  void fill_leaves(const float* xyz, const Cloud& cloud, const uint64_t* words, int64_t num_points);
  void fill_upper_levels(const Cloud& cloud);

  std::vector<Cloud> clouds_;
  std::unique_ptr<Leaf[]> leaves_;
  std::unique_ptr<Node[]> nodes_;
  std::unique_ptr<uint32_t[]> leaf_keys_;
  int64_t num_leaves_ = 0, num_points_ = 0;
};

template <class Visit>
void PointTree::walk(
    const Cloud& cloud, const float* low, const float* high, const Candidate& bound, const Visit& visit) const {
  if (cloud.num_leaves == 0) return;
  struct Pending {
    Candidate nearest;  // no candidate below it lies under the node
    int64_t index;
    int level;
  };
  Pending stack[16 * kFanout];  // 2**32 rows make 10 levels, each leaves at most kFanout - 1 siblings behind
  int size = 0;
  stack[size++] = {0, 0, static_cast<int>(cloud.level_nodes.size())};
  while (size > 0) {
    const Pending top = stack[--size];
    if (top.nearest >= bound) continue;
    if (top.level == 0) {
      visit(top.index);
      continue;
    }
    const Node& node = this->node(cloud, top.level, top.index);
    float distances[kFanout];
    int passing[kFanout];
    node.distances(low, high, distances);
    const int count = within(distances, candidate_distance(bound), passing), first = size;
    for (int j = 0; j < count; ++j) {
      const int i = passing[j];
      const Pending child{make_candidate(distances[i], node.first_row[i]), top.index * kFanout + i, top.level - 1};
      int at = size++;  // insertion sort: the nearest child is taken from the stack first
      for (; at > first && stack[at - 1].nearest < child.nearest; --at) stack[at] = stack[at - 1];
      stack[at] = child;
    }
  }
}

}  // namespace geopt
