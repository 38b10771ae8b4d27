#include "ops/voxelize/voxelize.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "common/parallel.h"
#include "common/radix_sort.h"

namespace geopt {
namespace {

// A key and a row: in one word when they fit (half the traffic), else side by side.
struct Packed {
  uint64_t word;
};
struct Pair {
  uint64_t key;
  uint64_t row;
};

struct Coder {
  int row_bits;
  uint64_t row_mask;
  uint64_t key(Packed e) const { return e.word >> row_bits; }
  uint64_t row(Packed e) const { return e.word & row_mask; }
  uint64_t key(Pair e) const { return e.key; }
  uint64_t row(Pair e) const { return e.row; }
  void set(Packed& e, uint64_t key, uint64_t row) const { e.word = key << row_bits | row; }
  void set(Pair& e, uint64_t key, uint64_t row) const { e = {key, row}; }
};

// Contribution of each index along each axis to the finest key, so that a key is three look-ups and no division.
std::array<std::vector<int64_t>, 3> axis_tables(const KeyLayout& layout) {
  std::array<std::vector<int64_t>, 3> tables;
  for (int a = 0; a < 3; ++a) {
    tables[a].resize(layout.shape[a]);
    for (int64_t i = 0; i < layout.shape[a]; ++i) {
      int64_t cell[3] = {0, 0, 0};
      cell[a] = i;
      tables[a][i] = nested_key(layout, cell);
    }
  }
  return tables;
}

template <class E>
VoxelIndex build(
    const float* xyz, int64_t n, const int64_t* offsets, int64_t num_clouds, const KeyLayout& layout,
    int64_t* point_to_token, const Coder& coder, int key_bits) {
  const int num_chunks = num_sort_chunks(n);
  // Tables larger than the cloud would cost more than the divisions they save, and may not fit in memory.
  const bool tabled = layout.shape[0] + layout.shape[1] + layout.shape[2] <= std::max<int64_t>(n, 4096);
  std::array<std::vector<int64_t>, 3> tables;
  if (tabled) tables = axis_tables(layout);

  // Keys, compacted to the points inside.
  std::vector<uint64_t> keys(n);
  std::vector<int64_t> kept(num_chunks + 1, 0);
  constexpr uint64_t kOutside = ~uint64_t{0};
  parallel_for(0, num_chunks, 1, [&](int64_t from, int64_t to) {
    for (int64_t c = from; c < to; ++c) {
      const int64_t begin = n * c / num_chunks, end = n * (c + 1) / num_chunks;
      int64_t cloud = std::upper_bound(offsets, offsets + num_clouds + 1, begin) - offsets - 1;
      int64_t count = 0;
      for (int64_t i = begin; i < end; ++i) {
        while (i >= offsets[cloud + 1]) ++cloud;
        int64_t cell[3];
        for (int a = 0; a < 3; ++a)
          cell[a] = voxel_axis(xyz[3 * i + a], layout.lower[a], layout.size[a], layout.shape[a]);
        const bool inside = (cell[0] | cell[1] | cell[2]) >= 0;
        point_to_token[i] = -1;
        keys[i] = kOutside;
        if (!inside) continue;
        const int64_t key =
            tabled ? tables[0][cell[0]] + tables[1][cell[1]] + tables[2][cell[2]] : nested_key(layout, cell);
        keys[i] = static_cast<uint64_t>(cloud * layout.cells_per_cloud + key);
        ++count;
      }
      kept[c + 1] = count;
    }
  });
  for (int c = 0; c < num_chunks; ++c) kept[c + 1] += kept[c];
  const int64_t num_kept = kept[num_chunks];
  std::vector<E> elements(num_kept), spare;
  parallel_for(0, num_chunks, 1, [&](int64_t from, int64_t to) {
    for (int64_t c = from; c < to; ++c) {
      int64_t out = kept[c];
      for (int64_t i = n * c / num_chunks; i < n * (c + 1) / num_chunks; ++i)
        if (keys[i] != kOutside) coder.set(elements[out++], keys[i], static_cast<uint64_t>(i));
    }
  });

  radix_sort(elements, spare, [&](const E& e) { return coder.key(e); }, key_bits, num_chunks);

  // Cells of the finest level, then each coarser level from the one below it.
  const int last = layout.num_levels - 1;
  VoxelIndex index;
  index.keys.resize(layout.num_levels);
  index.starts.resize(layout.num_levels);
  index.order.resize(num_kept);
  auto& finest_keys = index.keys[last];
  auto& finest_starts = index.starts[last];
  finest_keys.reserve(num_kept / 2);
  finest_starts.reserve(num_kept / 2);
  for (int64_t i = 0; i < num_kept; ++i) {
    const int64_t key = static_cast<int64_t>(coder.key(elements[i]));
    index.order[i] = static_cast<int64_t>(coder.row(elements[i]));
    if (finest_keys.empty() || finest_keys.back() != key) {
      finest_keys.push_back(key);
      finest_starts.push_back(i);
    }
  }
  finest_starts.push_back(num_kept);
  for (int l = last - 1; l >= 0; --l) {
    const auto& below_keys = index.keys[l + 1];
    const int64_t divisor = layout.divisor[l] / layout.divisor[l + 1];
    for (size_t i = 0; i < below_keys.size(); ++i) {
      const int64_t key = below_keys[i] / divisor;
      if (index.keys[l].empty() || index.keys[l].back() != key) {
        index.keys[l].push_back(key);
        index.starts[l].push_back(index.starts[l + 1][i]);
      }
    }
    index.starts[l].push_back(num_kept);
  }
  const auto& token_starts = index.starts[0];
  parallel_for(0, static_cast<int64_t>(index.keys[0].size()), 1024, [&](int64_t from, int64_t to) {
    for (int64_t t = from; t < to; ++t)
      for (int64_t i = token_starts[t]; i < token_starts[t + 1]; ++i) point_to_token[index.order[i]] = t;
  });
  return index;
}

}  // namespace

VoxelIndex voxel_index_cpu(
    const float* xyz, int64_t n, const int64_t* offsets, int64_t num_clouds, const KeyLayout& layout,
    int64_t* point_to_token) {
  const int key_bits = bits_for(static_cast<uint64_t>(num_clouds) * static_cast<uint64_t>(layout.cells_per_cloud));
  const int row_bits = bits_for(static_cast<uint64_t>(n));
  const Coder coder{row_bits, (uint64_t{1} << row_bits) - 1};
  if (key_bits + row_bits <= 64)
    return build<Packed>(xyz, n, offsets, num_clouds, layout, point_to_token, coder, key_bits);
  return build<Pair>(xyz, n, offsets, num_clouds, layout, point_to_token, coder, key_bits);
}

}  // namespace geopt
