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

// Finds the k nearest points of many queries. Calls grouped(group, begin, end, neighborhoods) for queries [begin, end)
// of a group, or single(row, cloud, nearest) for one that has too few points beside it or wants more than 16
// neighbours; between them each query is given once.
class NearestSearch {
 public:
  // Only candidates below `limit` count.
  NearestSearch(const PointTree& tree, int64_t k, Candidate limit)
      : tree_(tree), k_(k), limit_(limit), nearest_(k) {}

  // Queries are the points of a tree, this one or another of as many clouds: those in its leaves [from, to).
  template <class Grouped, class Single>
  void run_leaves(const PointTree& queries, int64_t from, int64_t to, const Grouped& grouped, const Single& single) {
    int64_t c = 0;
    for (int64_t l = from; l < to; ++l) {
      while (l >= queries.cloud(c).first_leaf + queries.cloud(c).num_leaves) ++c;
      if (tree_.cloud(c).num_leaves == 0) continue;
      const Cloud& cloud = queries.cloud(c);
      const Leaf& leaf = queries.leaf(cloud, l - cloud.first_leaf);
      group_.cloud = c;
      group_.count = static_cast<int>(std::find(leaf.row, leaf.row + kLeafSize, kNoRow) - leaf.row);
      for (int q = 0; q < kLanes; ++q) group_.row[q] = cloud.first_row + leaf.row[q];
      std::copy(&leaf.xyz[0][0], &leaf.xyz[0][0] + 3 * kLanes, &group_.xyz[0][0]);
      const int64_t place = &queries == &tree_ ? l - cloud.first_leaf : leaf_at(tree_.cloud(c), group_.count / 2);
      std::fill(leaf_, leaf_ + kLanes, place);
      search(grouped, single);
    }
  }

  // Queries are the points of `xyz` with rows from offsets[0] on, at places [from, to) of the order that the tree made.
  template <class Grouped, class Single>
  void run(
      const float* xyz, const int64_t* offsets, const CurveOrder& order, int64_t from, int64_t to,
      const Grouped& grouped, const Single& single) {
    int64_t c = 0;
    for (int64_t begin = from, end; begin < to; begin = end) {
      while (offsets[c + 1] <= begin) ++c;
      end = std::min(to, offsets[c + 1]);
      if (tree_.cloud(c).num_leaves == 0) continue;
      const int64_t last = std::min(end, offsets[c] + order.num_finite[c]);
      run_cloud(xyz, c, offsets[c], order.words.get(), begin, last, grouped, single);
    }
  }

 private:
  template <class Grouped, class Single>
  void run_cloud(
      const float* xyz, int64_t c, int64_t first_row, const uint64_t* words, int64_t begin, int64_t end,
      const Grouped& grouped, const Single& single) {
    constexpr int64_t kSpan = 3;  // leaves between the first and the last query: those in the middle give all a bound
    const Cloud& cloud = tree_.cloud(c);
    group_.cloud = c;
    group_.count = 0;
    int64_t leaf = 0;
    for (int64_t i = begin; i < end; ++i) {
      const uint32_t key = CurveOrder::key(words[i]);
      leaf = i == begin ? leaf_of(cloud, key) : next_leaf_of(cloud, key, leaf);
      if (group_.count == kLanes || (group_.count > 0 && leaf - leaf_[0] > kSpan)) {
        search(grouped, single);
        group_.count = 0;
      }
      const int64_t row = first_row + CurveOrder::row(words[i]);
      group_.row[group_.count] = row;
      for (int a = 0; a < 3; ++a) group_.xyz[a][group_.count] = xyz[3 * row + a];
      leaf_[group_.count++] = leaf;
    }
    if (group_.count > 0) search(grouped, single);
  }

  // Where query q of the group lies along the curve of a cloud of the tree.
  int64_t leaf_at(const Cloud& cloud, int q) const {
    const float p[3] = {group_.xyz[0][q], group_.xyz[1][q], group_.xyz[2][q]};
    uint64_t word;
    GEOPT_LEVEL_IN_USE(curve_words)(p, 1, cloud.curve, &word);
    return leaf_of(cloud, CurveOrder::key(word));
  }

  int64_t leaf_of(const Cloud& cloud, uint32_t key) const {
    int64_t low = 0;  // the last leaf that does not begin past the key, or the first
    for (int64_t count = cloud.num_leaves, half; count > 1; count -= half) {  // without a branch on the keys
      half = count / 2;
      low += tree_.leaf_key(cloud, low + half) <= key ? half : 0;
    }
    return low;
  }

  // The same for a key that is not below the one whose leaf is given.
  int64_t next_leaf_of(const Cloud& cloud, uint32_t key, int64_t leaf) const {
    for (int step = 0; step < 8; ++step, ++leaf)
      if (leaf + 1 == cloud.num_leaves || tree_.leaf_key(cloud, leaf + 1) > key) return leaf;
    return leaf_of(cloud, key);
  }

  // What a thread writes to before it reads, kept from call to call: 0.2 MB would be new pages each time.
  struct Scratch {
    SearchSpace space;
    Neighborhoods neighborhoods;
  };
  static Scratch& scratch() {
    thread_local const std::unique_ptr<Scratch> own(new Scratch);
    return *own;
  }

  // The queries in group_, which lie at leaf_.
  template <class Grouped, class Single>
  void search(const Grouped& grouped, const Single& single) {
    const Cloud& cloud = tree_.cloud(group_.cloud);
    const float reach = candidate_distance(limit_ - 1);
    Scratch& mine = scratch();
    for (int q = group_.count; q < kLanes; ++q)
      for (int a = 0; a < 3; ++a) group_.xyz[a][q] = group_.xyz[a][0];
    for (int begin = 0; begin < group_.count;) {
      int end = begin;
      if (k_ <= kLanes)
        end = GEOPT_LEVEL_IN_USE(find_nearest)(
            tree_.view(cloud), group_, begin, leaf_[(begin + group_.count) / 2], static_cast<int>(k_), reach,
            mine.space, mine.neighborhoods);
      if (end > begin) {
        grouped(group_, begin, end, mine.neighborhoods);
      } else {
        const float p[3] = {group_.xyz[0][begin], group_.xyz[1][begin], group_.xyz[2][begin]};
        nearest_.begin(limit_);
        tree_.walk(cloud, p, p, nearest_.bound(), [&](int64_t l) { nearest_.add(tree_.leaf(cloud, l), p); });
        single(group_.row[begin], cloud, nearest_);
        end = begin + 1;
      }
      begin = end;
    }
  }

  const PointTree& tree_;
  int64_t k_;
  Candidate limit_;
  Nearest nearest_;
  QueryGroup group_;
  int64_t leaf_[kLanes];
};

}  // namespace geopt
