// The points of a batch sorted by the voxel that holds them: what voxelize and voxel_downsample begin with.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "common/parallel.h"
#include "common/radix_sort.h"
#include "common/voxel_key.h"
#include "ops/voxelize/voxelize_kernel.h"

namespace geopt {

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
inline std::array<std::vector<uint32_t>, 3> key_parts(const KeyLayout& layout) {
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

constexpr int64_t kGrain = 32768;

inline void fill_by_parts(
    const Points& points, const KeyLayout& layout, uint64_t outside, const Coder& coder, Word* out) {
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

// Calls body(sorted, coder, outside): all points by key, ties by row, those in no voxel last, with the key `outside`.
// Until then `room`, of a number for each point, is written to: a result that is not there yet.
template <class E, class Fill, class Body>
void sort_filled(
    const Points& points, const KeyLayout& layout, uint64_t outside, const Coder& coder, int64_t* room,
    const Fill& fill, const Body& body) {
  const bool fits = sizeof(E) == sizeof *room;
  const auto own = uninitialized<E>(points.n), more = uninitialized<E>(fits ? 0 : points.n);
  E *elements = own.get(), *spare = fits ? reinterpret_cast<E*>(room) : more.get();
  const int key_bits = bits_for(outside + 1), num_chunks = num_sort_chunks(points.n);
  if (radix::num_passes(points.n, key_bits, num_chunks) % 2 == 1) std::swap(elements, spare);  // to end outside of room
  fill(points, layout, outside, coder, elements);
  const auto key = [coder](const E& element) { return coder.key(element); };
  body(radix_sort(elements, spare, points.n, key, key_bits, num_chunks), coder, outside);
}

template <class Body>
void with_sorted_points(const Points& points, const KeyLayout& layout, int64_t* room, const Body& body) {
  const uint64_t outside = static_cast<uint64_t>(points.num_clouds) * static_cast<uint64_t>(layout.cells_per_cloud);
  const Coder coder{bits_for(static_cast<uint64_t>(points.n))};
  // Tables larger than the cloud would cost more than the divisions they save, and may not fit in memory.
  const bool few_parts = layout.shape[0] + layout.shape[1] + layout.shape[2] <= std::max<int64_t>(points.n, 4096) &&
                         layout.cells_per_cloud < int64_t{1} << 32;
  if (bits_for(outside + 1) + coder.row_bits > 64)
    sort_filled<Pair>(points, layout, outside, coder, room, fill_one_by_one<Pair>, body);
  else if (few_parts)
    sort_filled<Word>(points, layout, outside, coder, room, fill_by_parts, body);
  else
    sort_filled<Word>(points, layout, outside, coder, room, fill_one_by_one<Word>, body);
}

template <class E>
int64_t count_cells(const E* sorted, int64_t begin, int64_t end, Coder coder) {
  int64_t count = begin < end;
  for (int64_t i = begin + 1; i < end; ++i) count += coder.key(sorted[i]) != coder.key(sorted[i - 1]);
  return count;
}

// How the cells of sorted points are shared out. Chunks begin with a cell: no two of them write to the same one.
struct CellChunks {
  int num_chunks;
  std::vector<int64_t> cuts;        // (num_chunks + 1) elements
  std::vector<int64_t> first_cell;  // (num_chunks + 1)
  int64_t num_cells() const { return first_cell[num_chunks]; }
};

template <class E>
CellChunks cut_at_cells(const E* sorted, int64_t num_kept, Coder coder) {
  const int num_chunks = num_sort_chunks(num_kept);
  CellChunks chunks{num_chunks, {}, {}};
  chunks.cuts.assign(num_chunks + 1, num_kept);
  chunks.first_cell.assign(num_chunks + 1, 0);
  for (int c = 0; c < num_chunks; ++c) {
    int64_t& cut = chunks.cuts[c] = num_kept * c / num_chunks;
    while (cut > 0 && cut < num_kept && coder.key(sorted[cut]) == coder.key(sorted[cut - 1])) ++cut;
  }
  parallel_for(0, num_chunks, 1, [&](int64_t from, int64_t to) {
    for (int64_t c = from; c < to; ++c)
      chunks.first_cell[c + 1] = count_cells(sorted, chunks.cuts[c], chunks.cuts[c + 1], coder);
  });
  for (int c = 0; c < num_chunks; ++c) chunks.first_cell[c + 1] += chunks.first_cell[c];
  return chunks;
}

// How many of the sorted points lie in a voxel; gives the others, at the end, no cell.
template <class E>
int64_t drop_outside(const E* sorted, int64_t n, Coder coder, uint64_t outside, int64_t* point_to_cell) {
  const E* const end =
      std::partition_point(sorted, sorted + n, [&](const E& element) { return coder.key(element) < outside; });
  parallel_for(end - sorted, n, kGrain, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) point_to_cell[coder.row(sorted[i])] = -1;
  });
  return end - sorted;
}

}  // namespace geopt
