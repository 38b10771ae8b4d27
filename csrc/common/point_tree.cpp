#include "common/point_tree.h"

#include <algorithm>
#include <limits>

#include "common/curve.h"
#include "common/parallel.h"
#include "common/radix_sort.h"

namespace geopt {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr int64_t kAhead = 3 * kLeafSize;  // points that are on their way from memory while a leaf is filled

// Least or greatest of 16 numbers, in an order that becomes vector instructions.
template <class Pick>
float fold(const float* values, const Pick& pick) {
  float v[kLeafSize];
  for (int i = 0; i < kLeafSize; ++i) v[i] = values[i];
  for (int half = kLeafSize / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) v[i] = pick(v[i], v[i + half]);
  return v[0];
}
float least_of(const float* values) {
  return fold(values, [](float a, float b) { return a < b ? a : b; });
}
float greatest_of(const float* values) {
  return fold(values, [](float a, float b) { return a > b ? a : b; });
}

void clear_child(Node& node, int i) {
  for (int a = 0; a < 3; ++a) node.lower[a][i] = kInfinity, node.upper[a][i] = -kInfinity;
  node.first_row[i] = kNoRow;
}

}  // namespace

PointTree::PointTree(const float* xyz, int64_t n, const int64_t* offsets, int64_t num_clouds) : clouds_(num_clouds) {
  parallel_for(0, num_clouds, 1, [&](int64_t from, int64_t to) {
    for (int64_t c = from; c < to; ++c) {
      clouds_[c].first_row = offsets[c];
      clouds_[c].num_rows = offsets[c + 1] - offsets[c];
      clouds_[c].curve = place_curve(xyz + 3 * offsets[c], clouds_[c].num_rows);
    }
  });
  const CurveOrder order = order_of(xyz, n, offsets);
  size_levels(order.num_finite);
  for (int64_t c = 0; c < num_clouds; ++c) {
    if (clouds_[c].num_leaves == 0) continue;
    fill_leaves(xyz + 3 * offsets[c], clouds_[c], order.words.get() + offsets[c], order.num_finite[c]);
    fill_upper_levels(clouds_[c]);
  }
}

CurveOrder PointTree::order_of(const float* xyz, int64_t n, const int64_t* offsets) const {
  CurveOrder order{uninitialized<uint64_t>(n), std::vector<int64_t>(clouds_.size())};
  const auto spare = uninitialized<uint64_t>(n);
  for (size_t c = 0; c < clouds_.size(); ++c) {
    const int64_t first = offsets[c], count = offsets[c + 1] - first;
    uint64_t* const words = order.words.get() + first;
    const int num_chunks = num_sort_chunks(count);
    parallel_for(0, num_chunks, 1, [&](int64_t from, int64_t to) {
      const int64_t begin = count * from / num_chunks, end = count * to / num_chunks;
      GEOPT_LEVEL_IN_USE(curve_words)(xyz + 3 * (first + begin), end - begin, clouds_[c].curve, words + begin);
      for (int64_t i = begin; begin > 0 && i < end; ++i) words[i] += begin;
    });
    const uint64_t* const sorted =
        radix_sort(words, spare.get() + first, count, CurveOrder::key, kCurveBits, num_chunks);
    if (sorted != words) std::copy(sorted, sorted + count, words);
    const auto off_curve = [](uint64_t word) { return CurveOrder::key(word) < kOffCurve; };
    order.num_finite[c] = std::partition_point(words, words + count, off_curve) - words;
  }
  return order;
}

void PointTree::size_levels(const std::vector<int64_t>& num_finite) {
  int64_t num_nodes = 0;
  for (size_t c = 0; c < clouds_.size(); ++c) {
    Cloud& cloud = clouds_[c];
    cloud.first_leaf = num_leaves_;
    num_points_ += num_finite[c];
    cloud.num_leaves = (num_finite[c] + kLeafSize - 1) / kLeafSize;
    num_leaves_ += cloud.num_leaves;
    int64_t below = cloud.num_leaves;
    while (below > 0) {
      below = (below + kFanout - 1) / kFanout;
      cloud.level_nodes.push_back(num_nodes);
      num_nodes += below;
      if (below == 1) break;
    }
  }
  leaves_ = uninitialized<Leaf>(num_leaves_);
  leaf_keys_ = uninitialized<uint32_t>(num_leaves_);
  nodes_ = uninitialized<Node>(num_nodes);
}

// The leaves of a cloud, of points in the order of words, and their parents.
void PointTree::fill_leaves(const float* xyz, const Cloud& cloud, const uint64_t* words, int64_t num_points) {
  parallel_for(0, (cloud.num_leaves + kFanout - 1) / kFanout, 32, [&](int64_t from, int64_t to) {
    for (int64_t j = from; j < to; ++j) {
      Node& node = nodes_[cloud.level_nodes[0] + j];
      for (int i = 0; i < kFanout; ++i) {
        const int64_t l = j * kFanout + i;
        if (l >= cloud.num_leaves) {
          clear_child(node, i);
          continue;
        }
        Leaf& leaf = leaves_[cloud.first_leaf + l];
        const uint64_t* const own = words + l * kLeafSize;
        const int64_t left = num_points - l * kLeafSize, count = std::min<int64_t>(kLeafSize, left);
        for (int64_t s = kAhead; s < kAhead + kLeafSize; ++s)
          __builtin_prefetch(xyz + 3 * int64_t{CurveOrder::row(own[std::min(s, left - 1)])});
        leaf_keys_[cloud.first_leaf + l] = CurveOrder::key(own[0]);
        for (int64_t s = 0; s < kLeafSize; ++s) {
          leaf.row[s] = CurveOrder::row(own[s < count ? s : 0]);  // padding widens no box
          for (int a = 0; a < 3; ++a) leaf.xyz[a][s] = xyz[3 * int64_t{leaf.row[s]} + a];
        }
        for (int a = 0; a < 3; ++a) {
          node.lower[a][i] = least_of(leaf.xyz[a]);
          node.upper[a][i] = greatest_of(leaf.xyz[a]);
        }
        node.first_row[i] = *std::min_element(leaf.row, leaf.row + kLeafSize);
        for (int64_t s = count; s < kLeafSize; ++s) {
          leaf.row[s] = kNoRow;
          for (int a = 0; a < 3; ++a) leaf.xyz[a][s] = kInfinity;
        }
      }
    }
  });
}

void PointTree::fill_upper_levels(const Cloud& cloud) {
  int64_t below = (cloud.num_leaves + kFanout - 1) / kFanout;
  for (size_t level = 1; level < cloud.level_nodes.size(); ++level) {
    const Node* children = nodes_.get() + cloud.level_nodes[level - 1];
    const int64_t count = (below + kFanout - 1) / kFanout;
    for (int64_t j = 0; j < count; ++j) {
      Node& node = nodes_[cloud.level_nodes[level] + j];
      for (int i = 0; i < kFanout; ++i) {
        const int64_t child = j * kFanout + i;
        clear_child(node, i);
        if (child >= below) continue;
        for (int a = 0; a < 3; ++a) {
          node.lower[a][i] = least_of(children[child].lower[a]);
          node.upper[a][i] = greatest_of(children[child].upper[a]);
        }
        node.first_row[i] = *std::min_element(children[child].first_row, children[child].first_row + kFanout);
      }
    }
    below = count;
  }
}

}  // namespace geopt
