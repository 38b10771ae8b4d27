// The k nearest points of each query, found in a PointTree.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "common/nearest16.h"
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

// Finds the k nearest points of queries that are ordered along the curve. Calls grouped(queries, count, group, neighborhoods)
// for groups of up to 16, or single(query, nearest) for those that have too few points beside them or want more than 16
// neighbours; between them each query is given once.
class NearestSearch {
 public:
  // Only candidates below `limit` count. Queries of a group start at most `span` leaves apart.
  NearestSearch(const PointTree& tree, const float* xyz, int64_t k, Candidate limit, int64_t span)
      : tree_(tree),
        xyz_(xyz),
        k_(k),
        limit_(limit),
        span_(span),
        nearest_(k),
        space_(new SearchSpace),
        neighborhoods_(new Neighborhoods) {}

  template <class Grouped, class Single>
  void run(const Query* queries, int64_t count, const Grouped& grouped, const Single& single) {
    for (int64_t first = 0, end; first < count; first = end) {
      end = first + 1;
      while (end < count && end - first < kLanes && queries[end].leaf - queries[first].leaf <= span_ &&
             queries[end].cloud == queries[first].cloud)
        ++end;
      search(queries + first, static_cast<int>(end - first), grouped, single);
    }
  }

 private:
  template <class Grouped, class Single>
  void search(const Query* queries, int count, const Grouped& grouped, const Single& single) {
    const Cloud& cloud = tree_.cloud(queries[0].cloud);
    const float reach = candidate_distance(limit_ - 1);
    while (count > 0) {
      int done = 0;
      if (k_ <= kLanes) {
        group_.count = count;
        group_.leaf = queries[count / 2].leaf;
        for (int q = 0; q < kLanes; ++q)
          for (int a = 0; a < 3; ++a) group_.xyz[a][q] = xyz_[3 * queries[q < count ? q : 0].row + a];
        done = GEOPT_LEVEL_IN_USE(find_nearest)(
            tree_.view(cloud), group_, static_cast<int>(k_), reach, *space_, *neighborhoods_);
      }
      if (done > 0) {
        grouped(queries, done, group_, *neighborhoods_);
      } else {
        const float* p = xyz_ + 3 * queries[0].row;
        nearest_.begin(limit_);
        tree_.walk(cloud, p, p, nearest_.bound(), [&](int64_t l) { nearest_.add(tree_.leaf(cloud, l), p); });
        single(queries[0], nearest_);
        done = 1;
      }
      queries += done, count -= done;
    }
  }

  const PointTree& tree_;
  const float* xyz_;
  int64_t k_;
  Candidate limit_;
  int64_t span_;
  Nearest nearest_;
  QueryGroup group_;
  std::unique_ptr<SearchSpace> space_;
  std::unique_ptr<Neighborhoods> neighborhoods_;
};

}  // namespace geopt
