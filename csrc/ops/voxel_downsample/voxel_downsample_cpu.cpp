#include "ops/voxel_downsample/voxel_downsample.h"

#include "common/divisor.h"
#include "ops/voxelize/sorted_points.h"

namespace geopt {
namespace {

typedef float FourFloats __attribute__((vector_size(16)));  // the last one is not used

// What one pass over sorted points leaves of each cell.
struct CellSum {
  FourFloats sum;
  int64_t key, end;  // behind its last element
};

// Elements begin to end, which are whole cells.
template <class E>
void sum_cells(
    const E* sorted, int64_t begin, int64_t end, Coder coder, const float* xyz, int64_t first_cell, CellSum* cells,
    int64_t* point_to_voxel) {
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
    cells[cell] = {sum, static_cast<int64_t>(key), i + 1};
    point_to_voxel[row] = cell;
  }
}

void write_means(
    const CellSum* cells, int64_t begin, int64_t end, const KeyLayout& layout, const VoxelMeans& voxels) {
  const Divisor size_x(layout.shape[0]), size_y(layout.shape[1]), size_z(layout.shape[2]);
  for (int64_t i = begin; i < end; ++i) {
    int64_t key = cells[i].key;
    const int64_t count = cells[i].end - (i == 0 ? 0 : cells[i - 1].end);
    const FourFloats mean = cells[i].sum / static_cast<float>(count);
    for (int a = 0; a < 3; ++a) voxels.means[3 * i + a] = mean[a];
    voxels.num_points[i] = count;
    int32_t* const coords = voxels.coords + 4 * i;
    coords[3] = static_cast<int32_t>(size_z.split(key));
    coords[2] = static_cast<int32_t>(size_y.split(key));
    coords[1] = static_cast<int32_t>(size_x.split(key));
    coords[0] = static_cast<int32_t>(key);
  }
}

}  // namespace

void voxel_downsample_cpu(
    const float* xyz, int64_t n, const int64_t* offsets, int64_t num_clouds, const KeyLayout& layout,
    int64_t* point_to_voxel, const std::function<VoxelMeans(int64_t)>& allocate) {
  with_sorted_points({xyz, n, offsets, num_clouds}, layout, [&](const auto* sorted, Coder coder, uint64_t outside) {
    const int64_t num_kept = drop_outside(sorted, n, coder, outside, point_to_voxel);
    const CellChunks chunks = cut_at_cells(sorted, num_kept, coder);
    const auto cells = uninitialized<CellSum>(chunks.num_cells());
    parallel_for(0, chunks.num_chunks, 1, [&](int64_t from, int64_t to) {
      for (int64_t c = from; c < to; ++c)
        sum_cells(
            sorted, chunks.cuts[c], chunks.cuts[c + 1], coder, xyz, chunks.first_cell[c], cells.get(), point_to_voxel);
    });
    const VoxelMeans voxels = allocate(chunks.num_cells());
    parallel_for(0, chunks.num_cells(), kGrain, [&](int64_t from, int64_t to) {
      write_means(cells.get(), from, to, layout, voxels);
    });
  });
}

}  // namespace geopt
