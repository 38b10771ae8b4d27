#include "common/point_tree.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "common/parallel.h"
#include "common/radix_sort.h"

namespace geopt {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Keyed {
  uint64_t key;
  int64_t row;
};

// Bits of x spread to every third place.
uint64_t spread(uint64_t x) {
  x = (x | x << 32) & 0x001f00000000ffffull;
  x = (x | x << 16) & 0x001f0000ff0000ffull;
  x = (x | x << 8) & 0x100f00f00f00f00full;
  x = (x | x << 4) & 0x10c30c30c30c30c3ull;
  return (x | x << 2) & 0x1249249249249249ull;
}

// Lays the curve over the bulk of the cloud, so that a few stray returns do not put all others into one cell.
void place_curve(const float* xyz, Cloud& cloud, int axis_bits) {
  constexpr int64_t kSamples = 1024;
  std::vector<double> sample;
  double extent = 0.0;
  for (int a = 0; a < 3; ++a) {
    sample.clear();
    const int64_t wanted = std::min(cloud.num_rows, kSamples);
    for (int64_t s = 0; s < wanted; ++s) {
      const float* p = xyz + 3 * (cloud.first_row + cloud.num_rows * s / wanted);
      if (is_finite_point(p)) sample.push_back(p[a]);
    }
    if (sample.empty()) continue;
    std::sort(sample.begin(), sample.end());
    const size_t cut = sample.size() / 100;
    const double low = sample[cut], high = sample[sample.size() - 1 - cut];
    const double margin = (high - low) / 4;
    cloud.lower[a] = std::max(low - margin, sample.front());
    extent = std::max(extent, std::min(high + margin, sample.back()) - cloud.lower[a]);
  }
  // Cells are cubes, so that leaves are compact.
  cloud.inverse_cell = extent > 0.0 ? static_cast<double>((int64_t{1} << axis_bits) - 1) / extent : 0.0;
}

// (curve key, row) of the finite points of the clouds for which use(cloud) holds, by key, ties by row.
template <class Use, class Key>
std::vector<Keyed> sorted_along_curve(
    const float* xyz, int64_t n, const int64_t* offsets, int64_t num_clouds, int key_bits, const Use& use,
    const Key& curve_key) {
  const int num_chunks = num_sort_chunks(n);
  std::vector<Keyed> all(n), spare;
  std::vector<int64_t> kept(num_chunks + 1, 0);
  parallel_for(0, num_chunks, 1, [&](int64_t from, int64_t to) {
    for (int64_t c = from; c < to; ++c) {
      const int64_t begin = n * c / num_chunks, end = n * (c + 1) / num_chunks;
      int64_t cloud = std::upper_bound(offsets, offsets + num_clouds + 1, begin) - offsets - 1;
      int64_t out = begin;
      for (int64_t i = begin; i < end; ++i) {
        while (i >= offsets[cloud + 1]) ++cloud;
        if (is_finite_point(xyz + 3 * i) && use(cloud)) all[out++] = {curve_key(cloud, xyz + 3 * i), i};
      }
      kept[c + 1] = out - begin;
    }
  });
  int64_t size = 0;
  for (int c = 0; c < num_chunks; ++c) {
    const auto begin = all.begin() + n * c / num_chunks;
    if (size != n * c / num_chunks) std::copy(begin, begin + kept[c + 1], all.begin() + size);
    size += kept[c + 1];
  }
  all.resize(size);
  radix_sort(all, spare, [](const Keyed& e) { return e.key; }, key_bits, num_chunks);
  return all;
}

}  // namespace

PointTree::PointTree(const float* xyz, int64_t n, const int64_t* offsets, int64_t num_clouds) : clouds_(num_clouds) {
  const int cloud_bits = bits_for(static_cast<uint64_t>(num_clouds));
  axis_bits_ = std::min(16, (64 - cloud_bits) / 3);
  parallel_for(0, num_clouds, 1, [&](int64_t from, int64_t to) {
    for (int64_t c = from; c < to; ++c) {
      clouds_[c].first_row = offsets[c];
      clouds_[c].num_rows = offsets[c + 1] - offsets[c];
      place_curve(xyz, clouds_[c], axis_bits_);
    }
  });
  const std::vector<Keyed> sorted = sorted_along_curve(
      xyz, n, offsets, num_clouds, 3 * axis_bits_ + cloud_bits, [](int64_t) { return true; },
      [&](int64_t cloud, const float* p) { return curve_key(cloud, p); });
  order_.resize(sorted.size());
  for (size_t i = 0; i < sorted.size(); ++i) order_[i] = sorted[i].row;

  // Sizes of the levels, then their contents from the leaves up.
  int64_t num_leaves = 0, num_nodes = 0;
  std::vector<int64_t> first_point(num_clouds + 1, 0);
  for (int64_t c = 0; c < num_clouds; ++c) {
    Cloud& cloud = clouds_[c];
    const uint64_t past = static_cast<uint64_t>(c + 1);
    const auto end = std::partition_point(
        sorted.begin() + first_point[c], sorted.end(), [&](const Keyed& e) { return e.key >> 3 * axis_bits_ < past; });
    first_point[c + 1] = end - sorted.begin();
    cloud.first_leaf = num_leaves;
    cloud.num_leaves = (first_point[c + 1] - first_point[c] + kLeafSize - 1) / kLeafSize;
    num_leaves += cloud.num_leaves;
    int64_t below = cloud.num_leaves;
    while (below > 0) {
      below = (below + kFanout - 1) / kFanout;
      cloud.level_nodes.push_back(num_nodes);
      num_nodes += below;
      if (below == 1) break;
    }
  }
  leaves_.resize(num_leaves);
  leaf_keys_.resize(num_leaves);
  nodes_.resize(num_nodes);
  for (int64_t c = 0; c < num_clouds; ++c) {
    const Cloud& cloud = clouds_[c];
    if (cloud.num_leaves == 0) continue;
    // A node per task fills its leaves and their boxes.
    parallel_for(0, (cloud.num_leaves + kFanout - 1) / kFanout, 64, [&](int64_t from, int64_t to) {
      for (int64_t j = from; j < to; ++j) {
        Node& node = nodes_[cloud.level_nodes[0] + j];
        for (int i = 0; i < kFanout; ++i) {
          const int64_t l = j * kFanout + i;
          for (int a = 0; a < 3; ++a) node.lower[a][i] = kInfinity, node.upper[a][i] = -kInfinity;
          node.first_row[i] = kNoRow;
          if (l >= cloud.num_leaves) continue;
          Leaf& leaf = leaves_[cloud.first_leaf + l];
          const int64_t begin = first_point[c] + l * kLeafSize, end = first_point[c + 1];
          leaf_keys_[cloud.first_leaf + l] = sorted[begin].key;
          for (int s = 0; s < kLeafSize; ++s) {
            const bool padding = begin + s >= end;
            const int64_t row = padding ? 0 : sorted[begin + s].row;
            leaf.row[s] = padding ? kNoRow : static_cast<uint32_t>(row - cloud.first_row);
            node.first_row[i] = std::min(node.first_row[i], leaf.row[s]);
            for (int a = 0; a < 3; ++a) {
              leaf.xyz[a][s] = padding ? kInfinity : xyz[3 * row + a];
              if (padding) continue;
              node.lower[a][i] = std::min(node.lower[a][i], leaf.xyz[a][s]);
              node.upper[a][i] = std::max(node.upper[a][i], leaf.xyz[a][s]);
            }
          }
        }
      }
    });
    int64_t below = (cloud.num_leaves + kFanout - 1) / kFanout;
    for (size_t level = 1; level < cloud.level_nodes.size(); ++level) {
      const Node* children = nodes_.data() + cloud.level_nodes[level - 1];
      const int64_t count = (below + kFanout - 1) / kFanout;
      for (int64_t j = 0; j < count; ++j) {
        Node& node = nodes_[cloud.level_nodes[level] + j];
        for (int i = 0; i < kFanout; ++i) {
          const int64_t child = j * kFanout + i;
          node.first_row[i] = kNoRow;
          for (int a = 0; a < 3; ++a) {
            node.lower[a][i] = kInfinity;
            node.upper[a][i] = -kInfinity;
            for (int g = 0; g < kFanout && child < below; ++g) {
              node.lower[a][i] = std::min(node.lower[a][i], children[child].lower[a][g]);
              node.upper[a][i] = std::max(node.upper[a][i], children[child].upper[a][g]);
              node.first_row[i] = std::min(node.first_row[i], children[child].first_row[g]);
            }
          }
        }
      }
      below = count;
    }
  }
}

uint64_t PointTree::curve_key(int64_t index, const float* p) const {
  const Cloud& cloud = clouds_[index];
  const double last = static_cast<double>((int64_t{1} << axis_bits_) - 1);
  uint64_t key = 0;
  for (int a = 0; a < 3; ++a) {
    const double cell = (static_cast<double>(p[a]) - cloud.lower[a]) * cloud.inverse_cell;
    key |= spread(static_cast<uint64_t>(std::min(std::max(cell, 0.0), last))) << (2 - a);
  }
  return static_cast<uint64_t>(index) << 3 * axis_bits_ | key;
}

std::vector<Query> PointTree::own_queries() const {
  std::vector<Query> queries(order_.size());
  int64_t at = 0;
  for (size_t c = 0; c < clouds_.size(); ++c)
    for (int64_t l = 0; l < clouds_[c].num_leaves; ++l)
      for (int s = 0; s < kLeafSize && leaf(clouds_[c], l).row[s] != kNoRow; ++s, ++at)
        queries[at] = {order_[at], static_cast<int32_t>(c), l};
  return queries;
}

std::vector<Query> PointTree::queries(const float* xyz, int64_t n, const int64_t* offsets) const {
  const int64_t num_clouds = static_cast<int64_t>(clouds_.size());
  const int cloud_bits = bits_for(static_cast<uint64_t>(num_clouds));
  const std::vector<Keyed> sorted = sorted_along_curve(
      xyz, n, offsets, num_clouds, 3 * axis_bits_ + cloud_bits,
      [&](int64_t cloud) { return clouds_[cloud].num_leaves > 0; },
      [&](int64_t cloud, const float* p) { return curve_key(cloud, p); });
  std::vector<Query> queries(sorted.size());
  parallel_for(0, static_cast<int64_t>(sorted.size()), 2048, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) {
      const int64_t index = static_cast<int64_t>(sorted[i].key >> 3 * axis_bits_);
      const Cloud& cloud = clouds_[index];
      const auto begin = leaf_keys_.begin() + cloud.first_leaf;
      const auto after = std::upper_bound(begin, begin + cloud.num_leaves, sorted[i].key);
      queries[i] = {sorted[i].row, static_cast<int32_t>(index), std::max<int64_t>(after - begin - 1, 0)};
    }
  });
  return queries;
}

}  // namespace geopt
