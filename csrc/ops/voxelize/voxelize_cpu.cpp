#include "ops/voxelize/voxelize.h"

#include "ops/voxelize/sorted_points.h"

namespace geopt {
namespace {

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
void write_finest(const E* sorted, Coder coder, VoxelIndex& index) {
  const CellChunks chunks = cut_at_cells(sorted, index.num_kept, coder);
  auto& keys = index.keys.back();
  auto& starts = index.starts.back();
  keys.resize(chunks.num_cells());
  starts.resize(chunks.num_cells() + 1);
  starts[0] = 0;
  int64_t* const point_to_cell = index.keys.size() == 1 ? index.point_to_token : nullptr;
  parallel_for(0, chunks.num_chunks, 1, [&](int64_t from, int64_t to) {
    for (int64_t c = from; c < to; ++c)
      write_cells(
          sorted, chunks.cuts[c], chunks.cuts[c + 1], coder, chunks.first_cell[c], keys.data(), starts.data(),
          index.order, point_to_cell);
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

}  // namespace

VoxelIndex voxel_index_cpu(
    const float* xyz, int64_t n, const int64_t* offsets, int64_t num_clouds, const KeyLayout& layout, int64_t* order,
    int64_t* point_to_token) {
  VoxelIndex index;
  index.order = order;
  index.point_to_token = point_to_token;
  index.keys.resize(layout.num_levels);
  index.starts.resize(layout.num_levels);
  const Points points{xyz, n, offsets, num_clouds};
  with_sorted_points(points, layout, point_to_token, [&](const auto* sorted, Coder coder, uint64_t outside) {
    index.num_kept = drop_outside(sorted, n, coder, outside, point_to_token);
    write_finest(sorted, coder, index);
  });
  for (int l = layout.num_levels - 2; l >= 0; --l)
    write_coarser(
        index.keys[l + 1], index.starts[l + 1], layout.divisor[l] / layout.divisor[l + 1], index.keys[l],
        index.starts[l]);
  if (layout.num_levels == 1) return index;  // point_to_token was written with the cells
  const auto& token_starts = index.starts[0];
  parallel_for(0, static_cast<int64_t>(index.keys[0].size()), 1024, [&](int64_t from, int64_t to) {
    for (int64_t t = from; t < to; ++t)
      for (int64_t i = token_starts[t]; i < token_starts[t + 1]; ++i) point_to_token[order[i]] = t;
  });
  return index;
}

}  // namespace geopt
