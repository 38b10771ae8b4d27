#include "ops/voxel_downsample/voxel_downsample.h"

#include <algorithm>
#include <cstring>

#include "ops/voxelize/sorted_points.h"

namespace geopt {
namespace {

typedef float FourFloats __attribute__((vector_size(16)));
typedef int32_t FourInts __attribute__((vector_size(16)));

constexpr int64_t kAhead = 64;  // elements whose points are on their way from memory
constexpr int kBlock = 256;     // elements whose cells stay in the first cache

// Cells one after another, up to one that may go on with the elements behind the block.
struct CellBlock {
  FourFloats sum[kBlock + 1];  // of points; the last number is not used
  int64_t row[kBlock + 1];     // the last point's
  int64_t end[kBlock + 1];     // of elements
};

FourFloats point_at(const float* xyz, int64_t row) {
  const float* const p = xyz + 3 * row;
  return FourFloats{p[0], p[1], p[2], 0.0f};
}

// Writes the cells from `cell` to `end_cell`, which are the first of the block, and whose elements begin with `begin`.
void write_cells(
    const CellBlock& block, int64_t begin, int64_t cell, int64_t end_cell, const Points& points,
    const KeyLayout& layout, const VoxelMeans& voxels) {
  const FourFloats lower = {layout.lower[0], layout.lower[1], layout.lower[2], 0.0f};
  const FourFloats size = {layout.size[0], layout.size[1], layout.size[2], 1.0f};
  const int64_t* const offsets = points.offsets;
  int32_t batch = 0;
  if (points.num_clouds > 1) batch = std::upper_bound(offsets, offsets + points.num_clouds, block.row[0]) - offsets - 1;
  for (int64_t c = 0; cell < end_cell; ++c, ++cell) {
    const int64_t row = block.row[c], num_points = block.end[c] - begin;
    begin = block.end[c];
    while (row >= offsets[batch + 1]) ++batch;
    // All points of the cell have the same index on each axis, none of them negative.
    const FourInts index = __builtin_convertvector((point_at(points.xyz, row) - lower) / size, FourInts);
    const FourInts coords = {batch, index[0], index[1], index[2]};
    std::memcpy(voxels.coords + 4 * cell, &coords, sizeof coords);
    const FourFloats mean = block.sum[c] / static_cast<float>(num_points);
    std::memcpy(voxels.means + 3 * cell, &mean, 3 * sizeof(float));
    voxels.num_points[cell] = num_points;
  }
}

// Elements begin to end, which are whole cells, the first of them number `cell`.
template <class E>
void write_chunk(
    const E* sorted, int64_t begin, int64_t end, Coder coder, int64_t cell, const Points& points,
    const KeyLayout& layout, const VoxelMeans& voxels, int64_t* point_to_voxel) {
  if (begin == end) return;
  CellBlock block;
  uint64_t previous = coder.key(sorted[begin]);
  FourFloats sum{};
  int64_t first_element = begin;
  for (int64_t from = begin; from < end; from += kBlock) {
    const int64_t to = std::min(end, from + kBlock);
    int64_t c = 0;
    for (int64_t i = from; i < to; ++i) {  // without a branch: where a cell ends is unpredictable
      const int64_t ahead = coder.row(sorted[std::min(i + kAhead, end - 1)]);
      __builtin_prefetch(points.xyz + 3 * ahead);
      __builtin_prefetch(point_to_voxel + ahead, 1);
      const uint64_t key = coder.key(sorted[i]);
      const int64_t row = coder.row(sorted[i]);
      const int32_t goes_on = -static_cast<int32_t>(key == previous);
      c += 1 + goes_on;
      previous = key;
      sum = reinterpret_cast<FourFloats>(reinterpret_cast<FourInts>(sum) & goes_on) + point_at(points.xyz, row);
      block.sum[c] = sum;
      block.row[c] = row;
      block.end[c] = i + 1;
      point_to_voxel[row] = cell + c;
    }
    write_cells(block, first_element, cell, cell + c, points, layout, voxels);
    if (c > 0) first_element = block.end[c - 1];
    block.sum[0] = block.sum[c], block.row[0] = block.row[c], block.end[0] = block.end[c];
    cell += c;
  }
  write_cells(block, first_element, cell, cell + 1, points, layout, voxels);
}

}  // namespace

void voxel_downsample_cpu(
    const float* xyz, int64_t n, const int64_t* offsets, int64_t num_clouds, const KeyLayout& layout,
    int64_t* point_to_voxel, const std::function<VoxelMeans(int64_t)>& allocate) {
  const Points points{xyz, n, offsets, num_clouds};
  with_sorted_points(points, layout, point_to_voxel, [&](const auto* sorted, Coder coder, uint64_t outside) {
    const int64_t num_kept = drop_outside(sorted, n, coder, outside, point_to_voxel);
    const CellChunks chunks = cut_at_cells(sorted, num_kept, coder);
    const VoxelMeans voxels = allocate(chunks.num_cells());
    parallel_for(0, chunks.num_chunks, 1, [&](int64_t from, int64_t to) {
      for (int64_t c = from; c < to; ++c)
        write_chunk(
            sorted, chunks.cuts[c], chunks.cuts[c + 1], coder, chunks.first_cell[c], points, layout, voxels,
            point_to_voxel);
    });
  });
}

}  // namespace geopt
