// The k nearest points of one query, found in a PointTree.
#pragma once

#include <algorithm>
#include <vector>

#include "common/point_tree.h"

namespace geopt {

// The k smallest of the candidates it is shown, below a limit. It keeps a few more than k and throws out the worst
// when it is full: cheaper than keeping them in order.
class Nearest {
 public:
  explicit Nearest(int64_t k) : k_(k), kept_(2 * k + 2 * kLeafSize) {}

  void begin(Candidate limit) {
    size_ = 0;
    bound_ = limit;
  }

  // Candidates at or above it are of no use.
  const Candidate& bound() const { return bound_; }

  void add(const Leaf& leaf, const float* query) {
    size_ += append_below(leaf, query, bound_, kept_.data() + size_);
    if (size_ + kLeafSize > static_cast<int64_t>(kept_.size())) shrink();
  }

  void shrink() {
    if (size_ < k_) return;
    std::nth_element(kept_.begin(), kept_.begin() + (k_ - 1), kept_.begin() + size_);
    bound_ = kept_[k_ - 1];
    size_ = k_;
  }

  // Sorts what was found; at most k.
  int64_t finish() {
    shrink();
    std::sort(kept_.begin(), kept_.begin() + size_);
    return size_;
  }

  Candidate operator[](int64_t i) const { return kept_[i]; }

 private:
  int64_t k_, size_ = 0;
  Candidate bound_ = kFarthest;
  std::vector<Candidate> kept_;
};

// Fills `nearest` with the best candidates below `limit` for one query of the tree.
inline void search_nearest(
    const PointTree& tree, const float* xyz, const Query& query, int64_t k, Candidate limit, Nearest& nearest) {
  const Cloud& cloud = tree.cloud(query.cloud);
  const float* p = xyz + 3 * query.row;
  nearest.begin(limit);
  // The leaves beside the query along the curve hold enough points for a first bound, mostly a good one.
  const int64_t beside = std::max<int64_t>(1, (k - 1) / kLeafSize);
  const int64_t first = std::max<int64_t>(0, query.leaf - beside);
  const int64_t end = std::min(cloud.num_leaves, query.leaf + beside + 1);
  for (int64_t l = first; l < end; ++l) nearest.add(tree.leaf(cloud, l), p);
  nearest.shrink();
  tree.walk(cloud, p, nearest.bound(), [&](int64_t l) {
    if (l < first || l >= end) nearest.add(tree.leaf(cloud, l), p);
  });
}

}  // namespace geopt
