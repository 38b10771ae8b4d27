#include "ops/voxel_downsample/voxel_downsample.h"

#include <cstring>

#include "common/divisor.h"
#include "ops/voxelize/sorted_points.h"

namespace geopt {
namespace {

typedef float FourFloats __attribute__((vector_size(16)));  // the last one is not used

// Elements begin to end, which are whole cells. Leaves in the place of each cell what finish_cells wants: the key in
// coords, the sum in means, and in num_points where its elements end. Memory of its own would cost as much time again
// as it is large beside the results.
template <class E>
void sum_cells(
    const E* sorted, int64_t begin, int64_t end, Coder coder, const float* xyz, int64_t first_cell,
    const VoxelMeans& voxels, int64_t* point_to_voxel) {
  int32_t* const keys = voxels.coords;
  float* const sums = voxels.means;
  int64_t* const ends = voxels.num_points;
  uint64_t previous = ~uint64_t{0};  // no key: they have 63 bits
  int64_t cell = first_cell - 1;
  FourFloats sum{};
  for (int64_t i = begin; i < end; ++i) {  // without a branch: where a cell ends is unpredictable
    const uint64_t key = coder.key(sorted[i]);
    const int64_t row = coder.row(sorted[i]);
    const bool begins = key != previous;
    cell += begins;
    previous = key;
    const float* const p = xyz + 3 * row;
    sum = (begins ? FourFloats{} : sum) + FourFloats{p[0], p[1], p[2], 0.0f};
    for (int a = 0; a < 3; ++a) sums[3 * cell + a] = sum[a];
    std::memcpy(keys + 4 * cell, &key, sizeof key);
    ends[cell] = i + 1;
    point_to_voxel[row] = cell;
  }
}

// Cells begin to end, the elements of which begin with first_element.
void finish_cells(
    int64_t begin, int64_t end, int64_t first_element, const KeyLayout& layout, const VoxelMeans& voxels) {
  const Divisor size_x(layout.shape[0]), size_y(layout.shape[1]), size_z(layout.shape[2]);
  for (int64_t i = begin; i < end; ++i) {
    int32_t* const coords = voxels.coords + 4 * i;
    int64_t key;
    std::memcpy(&key, coords, sizeof key);
    coords[3] = static_cast<int32_t>(size_z.split(key));
    coords[2] = static_cast<int32_t>(size_y.split(key));
    coords[1] = static_cast<int32_t>(size_x.split(key));
    coords[0] = static_cast<int32_t>(key);
    const int64_t last = voxels.num_points[i], count = last - first_element;
    first_element = last;
    voxels.num_points[i] = count;
    for (int a = 0; a < 3; ++a) voxels.means[3 * i + a] /= static_cast<float>(count);
  }
}

}  // namespace

void voxel_downsample_cpu(
    const float* xyz, int64_t n, const int64_t* offsets, int64_t num_clouds, const KeyLayout& layout,
    int64_t* point_to_voxel, const std::function<VoxelMeans(int64_t)>& allocate) {
  with_sorted_points({xyz, n, offsets, num_clouds}, layout, [&](const auto* sorted, Coder coder, uint64_t outside) {
    const int64_t num_kept = drop_outside(sorted, n, coder, outside, point_to_voxel);
    const CellChunks chunks = cut_at_cells(sorted, num_kept, coder);
    const VoxelMeans voxels = allocate(chunks.num_cells());
    parallel_for(0, chunks.num_chunks, 1, [&](int64_t from, int64_t to) {
      for (int64_t c = from; c < to; ++c) {
        const int64_t begin = chunks.cuts[c], first_cell = chunks.first_cell[c];
        sum_cells(sorted, begin, chunks.cuts[c + 1], coder, xyz, first_cell, voxels, point_to_voxel);
        finish_cells(first_cell, chunks.first_cell[c + 1], begin, layout, voxels);
      }
    });
  });
}

}  // namespace geopt
