#include "ops/voxelize/voxelize.h"

#include <algorithm>
#include <array>

#include "common/parallel.h"
#include "common/radix_sort.h"
#include "ops/voxelize/voxelize_kernel.h"

namespace geopt {
namespace {

// What is sorted: a key and a row, in one word when they fit (half the traffic), else side by side.
struct Word {
  uint64_t word;
};
struct Pair {
  uint64_t key;
  uint64_t row;
};

struct Coder {
  int row_bits;
  uint64_t key(Word e) const { return e.word >> row_bits; }
  int64_t row(Word e) const { return static_cast<int64_t>(e.word & ((uint64_t{1} << row_bits) - 1)); }
  uint64_t key(Pair e) const { return e.key; }
  int64_t row(Pair e) const { return static_cast<int64_t>(e.row); }
  void set(Word& e, uint64_t key, uint64_t row) const { e.word = key << row_bits | row; }
  void set(Pair& e, uint64_t key, uint64_t row) const { e = {key, row}; }
};

struct Points {
  const float* xyz;
  int64_t n;
  const int64_t* offsets;
  int64_t num_clouds;
};

// Calls body(cloud, begin, end) for the rows of each cloud that lie in [from, to).
template <class Body>
void for_each_cloud(const Points& points, int64_t from, int64_t to, const Body& body) {
  const int64_t* const offsets = points.offsets;
  int64_t cloud = std::upper_bound(offsets, offsets + points.num_clouds + 1, from) - offsets - 1;
  for (int64_t begin = from; begin < to; ++cloud) {
    const int64_t end = std::min(to, offsets[cloud + 1]);
    if (begin < end) body(cloud, begin, end);
    begin = end;
  }
}

// What each index along each axis adds to the finest key: three look-ups and no division make a key.
std::array<std::vector<uint32_t>, 3> key_parts(const KeyLayout& layout) {
  std::array<std::vector<uint32_t>, 3> parts;
  for (int a = 0; a < 3; ++a) {
    parts[a].resize(layout.shape[a]);
    for (int64_t i = 0; i < layout.shape[a]; ++i) {
      int64_t cell[3] = {0, 0, 0};
      cell[a] = i;
      parts[a][i] = static_cast<uint32_t>(nested_key(layout, cell));
    }
  }
  return parts;
}

constexpr int64_t kGrain = 8192;

void fill_by_parts(const Points& points, const KeyLayout& layout, uint64_t outside, const Coder& coder, Word* out) {
  const auto parts = key_parts(layout);
  WordPlan plan;
  for (int a = 0; a < 3; ++a) {
    plan.lower[a] = layout.lower[a];
    plan.size[a] = layout.size[a];
    plan.shape[a] = static_cast<float>(layout.shape[a]);
    plan.parts[a] = parts[a].data();
  }
  plan.row_bits = coder.row_bits;
  plan.one_level = layout.num_levels == 1;
  const auto voxel_words = GEOPT_LEVEL_IN_USE(voxel_words);
  parallel_for(0, points.n, kGrain, [&](int64_t from, int64_t to) {
    for_each_cloud(points, from, to, [&](int64_t cloud, int64_t begin, int64_t end) {
      const uint64_t first_key = static_cast<uint64_t>(cloud * layout.cells_per_cloud);
      voxel_words(points.xyz + 3 * begin, end - begin, plan, first_key, outside, begin, &out[begin].word);
    });
  });
}

template <class E>
void fill_one_by_one(const Points& points, const KeyLayout& layout, uint64_t outside, const Coder& coder, E* out) {
  parallel_for(0, points.n, kGrain, [&](int64_t from, int64_t to) {
    for_each_cloud(points, from, to, [&](int64_t cloud, int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t key = point_key(layout, points.xyz + 3 * i);
        coder.set(out[i], key < 0 ? outside : static_cast<uint64_t>(cloud * layout.cells_per_cloud + key), i);
      }
    });
  });
}

template <class E>
int64_t count_cells(const E* sorted, int64_t begin, int64_t end, Coder coder) {
  int64_t count = begin < end;
  for (int64_t i = begin + 1; i < end; ++i) count += coder.key(sorted[i]) != coder.key(sorted[i - 1]);
  return count;
}

// Elements begin to end, which are whole cells. point_to_cell may be null.
template <class E>
void write_cells(
    const E* sorted, int64_t begin, int64_t end, Coder coder, int64_t first_cell, int64_t* keys, int64_t* starts,
    int64_t* order, int64_t* point_to_cell) {
  uint64_t previous = ~uint64_t{0};  // no key: they have 63 bits
  int64_t cell = first_cell - 1;
  for (int64_t i = begin; i < end; ++i) {  // without a branch: where a cell ends is unpredictable
    const uint64_t key = coder.key(sorted[i]);
    const int64_t row = coder.row(sorted[i]);
    cell += key != previous;
    previous = key;
    keys[cell] = static_cast<int64_t>(key);
    starts[cell + 1] = i + 1;
    order[i] = row;
    if (point_to_cell) point_to_cell[row] = cell;
  }
}

// Cells of the finest level: keys, starts, order, and point_to_token where the finest level is the token level.
template <class E>
void write_finest(const E* sorted, int64_t num_kept, Coder coder, VoxelIndex& index) {
  const int num_chunks = num_sort_chunks(num_kept);
  // Chunks begin with a cell: no two of them write to the same one.
  std::vector<int64_t> cuts(num_chunks + 1, num_kept), first_cell(num_chunks + 1, 0);
  for (int c = 0; c < num_chunks; ++c) {
    int64_t& cut = cuts[c] = num_kept * c / num_chunks;
    while (cut > 0 && cut < num_kept && coder.key(sorted[cut]) == coder.key(sorted[cut - 1])) ++cut;
  }
  parallel_for(0, num_chunks, 1, [&](int64_t from, int64_t to) {
    for (int64_t c = from; c < to; ++c) first_cell[c + 1] = count_cells(sorted, cuts[c], cuts[c + 1], coder);
  });
  for (int c = 0; c < num_chunks; ++c) first_cell[c + 1] += first_cell[c];

  auto& keys = index.keys.back();
  auto& starts = index.starts.back();
  keys.resize(first_cell[num_chunks]);
  starts.resize(first_cell[num_chunks] + 1);
  starts[0] = 0;
  int64_t* const point_to_cell = index.keys.size() == 1 ? index.point_to_token : nullptr;
  parallel_for(0, num_chunks, 1, [&](int64_t from, int64_t to) {
    for (int64_t c = from; c < to; ++c)
      write_cells(
          sorted, cuts[c], cuts[c + 1], coder, first_cell[c], keys.data(), starts.data(), index.order, point_to_cell);
  });
}

// Cells of a level from those of the next finer one, each of which lies in one of them.
void write_coarser(const std::vector<int64_t>& finer_keys, const std::vector<int64_t>& finer_starts, int64_t divisor,
                   std::vector<int64_t>& keys, std::vector<int64_t>& starts) {
  int64_t past = 0;  // first finer key behind the current cell
  for (size_t i = 0; i < finer_keys.size(); ++i) {
    if (finer_keys[i] < past) continue;
    const int64_t key = finer_keys[i] / divisor;
    past = (key + 1) * divisor;
    keys.push_back(key);
    starts.push_back(finer_starts[i]);
  }
  starts.push_back(finer_starts.back());
}

template <class E>
void build(
    const E* sorted, const Points& points, const KeyLayout& layout, uint64_t outside, const Coder& coder,
    VoxelIndex& index) {
  const E* const end = std::partition_point(
      sorted, sorted + points.n, [&](const E& element) { return coder.key(element) < outside; });
  index.num_kept = end - sorted;
  index.keys.resize(layout.num_levels);
  index.starts.resize(layout.num_levels);
  write_finest(sorted, index.num_kept, coder, index);
  for (int l = layout.num_levels - 2; l >= 0; --l)
    write_coarser(
        index.keys[l + 1], index.starts[l + 1], layout.divisor[l] / layout.divisor[l + 1], index.keys[l],
        index.starts[l]);
  parallel_for(index.num_kept, points.n, kGrain, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) index.point_to_token[coder.row(sorted[i])] = -1;
  });
  if (layout.num_levels == 1) return;  // written with the cells
  const auto& token_starts = index.starts[0];
  parallel_for(0, static_cast<int64_t>(index.keys[0].size()), 1024, [&](int64_t from, int64_t to) {
    for (int64_t t = from; t < to; ++t)
      for (int64_t i = token_starts[t]; i < token_starts[t + 1]; ++i) index.point_to_token[index.order[i]] = t;
  });
}

template <class E, class Fill>
void sort_and_build(
    const Points& points, const KeyLayout& layout, uint64_t outside, const Coder& coder, const Fill& fill,
    VoxelIndex& index) {
  const auto elements = uninitialized<E>(points.n), spare = uninitialized<E>(points.n);
  fill(points, layout, outside, coder, elements.get());
  const E* sorted = radix_sort(
      elements.get(), spare.get(), points.n, [coder](const E& element) { return coder.key(element); },
      bits_for(outside + 1), num_sort_chunks(points.n));
  build(sorted, points, layout, outside, coder, index);
}

}  // namespace

VoxelIndex voxel_index_cpu(
    const float* xyz, int64_t n, const int64_t* offsets, int64_t num_clouds, const KeyLayout& layout, int64_t* order,
    int64_t* point_to_token) {
  const Points points{xyz, n, offsets, num_clouds};
  const uint64_t outside = static_cast<uint64_t>(num_clouds) * static_cast<uint64_t>(layout.cells_per_cloud);
  const Coder coder{bits_for(static_cast<uint64_t>(n))};
  VoxelIndex index;
  index.order = order;
  index.point_to_token = point_to_token;
  // Tables larger than the cloud would cost more than the divisions they save, and may not fit in memory.
  const bool few_parts = layout.shape[0] + layout.shape[1] + layout.shape[2] <= std::max<int64_t>(n, 4096) &&
                         layout.cells_per_cloud < int64_t{1} << 32;
  if (bits_for(outside + 1) + coder.row_bits > 64)
    sort_and_build<Pair>(points, layout, outside, coder, fill_one_by_one<Pair>, index);
  else if (few_parts)
    sort_and_build<Word>(points, layout, outside, coder, fill_by_parts, index);
  else
    sort_and_build<Word>(points, layout, outside, coder, fill_one_by_one<Word>, index);
  return index;
}

}  // namespace geopt
