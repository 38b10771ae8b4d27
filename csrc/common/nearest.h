// The k nearest points of each query, found in a PointTree.
#pragma once

#include <algorithm>
#include <limits>
#include <vector>

#include "common/point_tree.h"

namespace geopt {

// The k smallest of the candidates it is shown, below a bound. It keeps a few more than k and throws out the worst
// when it is full: cheaper than keeping them in order. No candidate may be shown twice.
class Nearest {
 public:
  explicit Nearest(int64_t k) : k_(k), kept_(2 * k + 2 * kLeafSize) {}

  void begin(Candidate bound) {
    size_ = 0;
    bound_ = bound;
  }

  // Candidates at or above it are of no use.
  const Candidate& bound() const { return bound_; }

  void add(const Leaf& leaf, const float* query) {
    size_ += append_below(leaf, query, bound_, kept_.data() + size_);
    if (size_ + kLeafSize > static_cast<int64_t>(kept_.size())) shrink();
  }

  // Sorts what was found; at most k.
  int64_t finish() {
    if (size_ > k_) shrink();
    if (size_ <= kFew) sort_few();
    else std::sort(kept_.begin(), kept_.begin() + size_);
    return size_;
  }

  Candidate operator[](int64_t i) const { return kept_[i]; }

 private:
  static constexpr int64_t kFew = 32;

  // Quickselect whose loop has no branch on the data, which is what std::nth_element waits for.
  void shrink() {
    Candidate* const kept = kept_.data();
    int64_t low = 0;
    while (size_ > k_) {
      const Candidate a = kept[low], b = kept[(low + size_) / 2], c = kept[size_ - 1];
      // Candidates differ, so some are below the median of three, and below the larger of a pair.
      const Candidate pivot = size_ - low > 2 ? std::max(std::min(a, b), std::min(std::max(a, b), c)) : std::max(a, c);
      int64_t at = low;
      for (int64_t i = low; i < size_; ++i) {
        const Candidate x = kept[i];
        kept[i] = kept[at];
        kept[at] = x;
        at += x < pivot;
      }
      if (at < k_) low = at;
      else size_ = at;
    }
    bound_ = *std::max_element(kept, kept + size_);
  }

  // The place of each is the number of smaller ones: for so few, counting beats a sort that must guess its branches.
  void sort_few() {
    int64_t from[kFew], place[kFew];
    for (int64_t i = 0; i < size_; ++i) from[i] = static_cast<int64_t>(kept_[i]);  // a candidate's top bit is 0
    for (int64_t i = 0; i < size_; ++i) {
      int64_t smaller = 0;
#pragma omp simd reduction(+ : smaller)
      for (int64_t j = 0; j < size_; ++j) smaller += from[j] < from[i];
      place[i] = smaller;
    }
    for (int64_t i = 0; i < size_; ++i) kept_[place[i]] = static_cast<Candidate>(from[i]);
  }

  int64_t k_, size_ = 0;
  Candidate bound_ = kFarthest;
  std::vector<Candidate> kept_;
};

// Searches queries in groups that begin at the same leaf: one walk of the tree finds the leaves that any of the group
// needs, and each query then looks at those alone.
class NearestSearch {
 public:
  // Only candidates below `limit` count.
  NearestSearch(const PointTree& tree, const float* xyz, int64_t k, Candidate limit)
      : tree_(tree),
        xyz_(xyz),
        k_(k),
        limit_(limit),
        nearest_(k),
        lanes_((k + kLeafSize - 1) / kLeafSize * kLeafSize) {}

  // Calls visit(query, nearest) for each of `count` queries; nearest.finish() gives the result.
  template <class Visit>
  void run(const Query* queries, int64_t count, const Visit& visit) {
    for (int64_t first = 0, end; first < count; first = end) {
      end = first + 1;
      while (end < count && end - first < kGroup && queries[end].leaf == queries[first].leaf &&
             queries[end].cloud == queries[first].cloud)
        ++end;
      search(queries + first, static_cast<int>(end - first), visit);
    }
  }

 private:
  static constexpr int kGroup = 16;
  static constexpr int kFewest = 3;     // queries that are worth a list
  static constexpr int kMaxNodes = 16;  // of 8 leaves in a list; groups that need more lie too far apart

  template <class Visit>
  void search(const Query* queries, int count, const Visit& visit) {
    const Cloud& cloud = tree_.cloud(queries[0].cloud);
    Candidate bounds[kGroup], largest = 0;
    float low[3], high[3];
    for (int a = 0; a < 3; ++a) low[a] = high[a] = xyz_[3 * queries[0].row + a];
    for (int i = 0; i < count; ++i) {
      const float* p = xyz_ + 3 * queries[i].row;
      bounds[i] = std::min(limit_, first_bound(cloud, queries[i].leaf, p));
      largest = std::max(largest, bounds[i]);
      for (int a = 0; a < 3; ++a) low[a] = std::min(low[a], p[a]), high[a] = std::max(high[a], p[a]);
    }
    const bool listed = count >= kFewest && list_leaves(cloud, low, high, largest);
    for (int i = 0; i < count; ++i) {
      const float* p = xyz_ + 3 * queries[i].row;
      nearest_.begin(bounds[i]);
      if (listed) search_list(cloud, p);
      else tree_.walk(cloud, p, p, nearest_.bound(), [&](int64_t l) { nearest_.add(tree_.leaf(cloud, l), p); });
      visit(queries[i], nearest_);
    }
  }

  // Above the k-th best candidate, from the leaves beside the query along the curve. Their points are dealt out to k or
  // a few more lanes; the nearest of each lane are that many different points, so the farthest of those is a bound.
  Candidate first_bound(const Cloud& cloud, int64_t leaf, const float* p) {
    const int64_t num_banks = static_cast<int64_t>(lanes_.size()) / kLeafSize;
    const int64_t width = std::max<int64_t>(8, 4 * num_banks);
    const int64_t begin = std::max<int64_t>(0, std::min(leaf - width / 2, cloud.num_leaves - width));
    const int64_t end = std::min(cloud.num_leaves, begin + width);
    std::fill(lanes_.begin(), lanes_.end(), std::numeric_limits<float>::infinity());
    for (int64_t l = begin; l < end; ++l) {
      float distances[kLeafSize];
      tree_.leaf(cloud, l).distances(p, distances);
      float* bank = lanes_.data() + l % num_banks * kLeafSize;
#pragma omp simd
      for (int i = 0; i < kLeafSize; ++i) bank[i] = distances[i] < bank[i] ? distances[i] : bank[i];
    }
    int64_t num_lanes = static_cast<int64_t>(lanes_.size());
    for (; num_lanes % 2 == 0 && num_lanes / 2 >= k_; num_lanes /= 2)
      for (int64_t i = 0; i < num_lanes / 2; ++i) lanes_[i] = std::min(lanes_[i], lanes_[i + num_lanes / 2]);
    const float farthest = *std::max_element(lanes_.begin(), lanes_.begin() + num_lanes);
    return std::min(make_candidate(farthest, 0) + (uint64_t{1} << 32), kFarthest);  // above every row at that distance
  }

  // Copies the boxes of the leaves that may hold a candidate below `bound`; false when they are too many.
  bool list_leaves(const Cloud& cloud, const float* low, const float* high, Candidate bound) {
    num_listed_ = 0;
    bool fits = true;
    tree_.walk(cloud, low, high, bound, [&](int64_t l) {
      if (num_listed_ == kMaxNodes * kFanout) {
        fits = false;
        bound = 0;  // ends the walk
        return;
      }
      const Node& from = tree_.node(cloud, 1, l / kFanout);
      Node& to = boxes_[num_listed_ / kFanout];
      for (int a = 0; a < 3; ++a) {
        to.lower[a][num_listed_ % kFanout] = from.lower[a][l % kFanout];
        to.upper[a][num_listed_ % kFanout] = from.upper[a][l % kFanout];
      }
      listed_[num_listed_++] = l;
    });
    return fits;
  }

  void search_list(const Cloud& cloud, const float* p) {
    for (int first = 0; first < num_listed_; first += kFanout) {
      float distances[kFanout];
      int passing[kFanout];
      boxes_[first / kFanout].distances(p, p, distances);
      const int count = within(distances, candidate_distance(nearest_.bound()), passing);
      for (int j = 0; j < count && first + passing[j] < num_listed_; ++j)
        nearest_.add(tree_.leaf(cloud, listed_[first + passing[j]]), p);
    }
  }

  const PointTree& tree_;
  const float* xyz_;
  int64_t k_;
  Candidate limit_;
  Nearest nearest_;
  std::vector<float> lanes_;
  Node boxes_[kMaxNodes] = {};  // of the listed leaves, 8 in each; what lies past the last means nothing
  int64_t listed_[kMaxNodes * kFanout];
  int num_listed_ = 0;
};

}  // namespace geopt
