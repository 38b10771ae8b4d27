// voxel_index, and the ops that read cells off it, beside a stable sort by key.
#include <algorithm>
#include <vector>

#include "ops/cell_coords/cell_coords.h"
#include "ops/cell_pca/cell_pca.h"
#include "ops/cell_sums/cell_sums.h"
#include "ops/voxel_downsample/voxel_downsample.h"
#include "ops/voxelize/voxelize.h"
#include "tests/batches.h"

namespace geopt::test {
namespace {

// A cube about the origin; three ratios for each finer level.
KeyLayout make_cube(float extent, float size, const std::vector<int64_t>& ratios) {
  const auto cells = static_cast<int64_t>(2 * extent / size);
  const double lower[3] = {-extent, -extent, -extent}, sizes[3] = {size, size, size};
  const int64_t shape[3] = {cells, cells, cells};
  return make_layout(lower, sizes, shape, 1 + static_cast<int>(ratios.size()) / 3, ratios.data());
}

struct Keyed {
  int64_t key, row;
};

std::vector<Keyed> sorted_keys(const Batch& batch, const KeyLayout& layout) {
  std::vector<Keyed> keyed;
  for (int64_t cloud = 0; cloud < batch.num_clouds(); ++cloud)
    for (int64_t row = batch.offsets[cloud]; row < batch.offsets[cloud + 1]; ++row) {
      const int64_t key = point_key(layout, batch.xyz.data() + 3 * row);
      if (key >= 0) keyed.push_back({cloud * layout.cells_per_cloud + key, row});
    }
  std::stable_sort(keyed.begin(), keyed.end(), [](const Keyed& a, const Keyed& b) { return a.key < b.key; });
  return keyed;
}

void check_index(const Batch& batch, const KeyLayout& layout, const VoxelIndex& index) {
  const std::vector<Keyed> keyed = sorted_keys(batch, layout);
  if (!CHECK(index.num_kept == static_cast<int64_t>(keyed.size()))) return;
  std::vector<int64_t> tokens(batch.num_points(), -1);
  for (int l = 0; l < layout.num_levels; ++l) {
    std::vector<int64_t> keys, starts;
    for (size_t i = 0; i < keyed.size(); ++i) {
      const int64_t key = keyed[i].key / layout.divisor[l];
      if (keys.empty() || keys.back() != key) {
        keys.push_back(key);
        starts.push_back(static_cast<int64_t>(i));
      }
      if (l == 0) tokens[keyed[i].row] = static_cast<int64_t>(keys.size()) - 1;
    }
    starts.push_back(static_cast<int64_t>(keyed.size()));
    CHECK(index.keys[l] == keys);
    CHECK(index.starts[l] == starts);
  }
  CHECK(std::equal(tokens.begin(), tokens.end(), index.point_to_token));
  CHECK(std::equal(keyed.begin(), keyed.end(), index.order, [](const Keyed& a, int64_t row) { return a.row == row; }));
}

void test_cells(const Batch& batch, const KeyLayout& layout, const VoxelIndex& index, bool compare, Digests& digests) {
  const int finest = layout.num_levels - 1;
  const auto order = Buffer<int64_t>::of(std::vector<int64_t>(index.order, index.order + index.num_kept));
  const auto starts = Buffer<int64_t>::of(index.starts[finest]), keys = Buffer<int64_t>::of(index.keys[finest]);
  const int64_t num_cells = keys.size();

  Buffer<int32_t> coords(4 * num_cells);
  cell_coords_cpu(keys.data(), num_cells, layout, coords.data());
  digests.add("cell_coords", coords);

  Buffer<int64_t> sweep_rows(batch.num_points()), sums(3 * num_cells), lowest(num_cells), sums_alone(3 * num_cells);
  for (int64_t row = 0; row < batch.num_points(); ++row) sweep_rows[row] = row * 31 % 11;
  const double lower[3] = {layout.lower[0], layout.lower[1], layout.lower[2]};
  cell_sums_cpu(
      batch.xyz.data(), order.data(), starts.data(), num_cells, lower, sweep_rows.data(), sums.data(), lowest.data());
  cell_sums_cpu(
      batch.xyz.data(), order.data(), starts.data(), num_cells, lower, nullptr, sums_alone.data(), nullptr);
  digests.add("cell_sums", sums);
  digests.add("cell_sums", lowest);
  CHECK(std::equal(sums.begin(), sums.end(), sums_alone.begin()));

  Buffer<double> points(3 * num_cells), centers(3 * num_cells);
  Buffer<int64_t> member_starts(num_cells + 1), rows(num_cells), num_points(num_cells);
  for (int64_t i = 0; i < num_cells; ++i) {
    for (int a = 0; a < 3; ++a) {
      points[3 * i + a] = static_cast<double>(sums[3 * i + a]) / (starts[i + 1] - starts[i]) / kFixedPointPerMetre;
      centers[3 * i + a] = (coords[4 * i + 1 + a] + 0.5) * layout.size[a];
    }
    member_starts[i] = i;
    rows[i] = num_cells - 1 - i;
  }
  member_starts[num_cells] = num_cells;
  Buffer<float> normals(3 * num_cells), eigenvalues(3 * num_cells);
  for (const bool about_own : {false, true}) {
    const CellNeighborhood hood{{layout.shape[0], layout.shape[1], layout.shape[2]}, {3, 5, 3}, about_own};
    cell_pca_cpu(
        points.data(), member_starts.data(), coords.data(), num_cells, centers.data(), hood, rows.data(), num_cells,
        normals.data(), eigenvalues.data(), num_points.data());
    digests.add("cell_pca", normals);
    digests.add("cell_pca", eigenvalues);
    digests.add("cell_pca", num_points);
  }
  if (!compare) return;

  for (int64_t i = 0; i < num_cells; ++i) {
    const int64_t r = rows[i];
    int64_t expected[3] = {0, 0, 0}, lowest_row = sweep_rows[order[starts[r]]], neighbors = 0;
    for (int64_t k = starts[r]; k < starts[r + 1]; ++k) {
      const float* const p = batch.xyz.data() + 3 * order[k];
      for (int a = 0; a < 3; ++a) {
        expected[a] += to_fixed_point(p[a], lower[a]);
        CHECK(voxel_axis(p[a], layout.lower[a], layout.size[a], layout.shape[a]) == coords[4 * r + 1 + a]);
      }
      lowest_row = std::min(lowest_row, sweep_rows[order[k]]);
    }
    CHECK(std::equal(expected, expected + 3, sums.begin() + 3 * r) && lowest[r] == lowest_row);
    const int32_t* const own = coords.data() + 4 * r;
    for (int64_t other = 0; other < num_cells; ++other) {
      const int32_t* const c = coords.data() + 4 * other;
      neighbors += c[0] == own[0] && std::abs(c[1] - own[1]) <= 1 && std::abs(c[2] - own[2]) <= 2 &&
                   std::abs(c[3] - own[3]) <= 1;
    }
    CHECK(num_points[i] == neighbors);
    CHECK(0 <= eigenvalues[3 * i] && eigenvalues[3 * i] <= eigenvalues[3 * i + 1]);
  }
}

void test_downsample(const Batch& batch, const KeyLayout& layout, const VoxelIndex& index, Digests& digests) {
  Buffer<int32_t> coords;
  Buffer<float> means;
  Buffer<int64_t> num_points, point_to_voxel(batch.num_points());
  voxel_downsample_cpu(
      batch.xyz.data(), batch.num_points(), batch.offsets.data(), batch.num_clouds(), layout, point_to_voxel.data(),
      [&](int64_t num_voxels) {
        coords = Buffer<int32_t>(4 * num_voxels);
        means = Buffer<float>(3 * num_voxels);
        num_points = Buffer<int64_t>(num_voxels);
        return VoxelMeans{coords.data(), means.data(), num_points.data()};
      });
  digests.add("voxel_downsample", coords);
  digests.add("voxel_downsample", means);
  digests.add("voxel_downsample", num_points);
  const std::vector<int64_t>& starts = index.starts[0];
  const auto num_voxels = static_cast<int64_t>(index.keys[0].size());
  CHECK(std::equal(point_to_voxel.begin(), point_to_voxel.end(), index.point_to_token));
  if (!CHECK(num_points.size() == num_voxels)) return;
  Buffer<int32_t> expected_coords(4 * num_voxels);
  cell_coords_cpu(index.keys[0].data(), num_voxels, layout, expected_coords.data());
  CHECK(std::equal(coords.begin(), coords.end(), expected_coords.begin()));
  for (int64_t i = 0; i < num_voxels; ++i) {
    float sum[3];
    for (int64_t k = starts[i]; k < starts[i + 1]; ++k)
      for (int a = 0; a < 3; ++a) {
        const float p = batch.xyz[3 * index.order[k] + a];
        sum[a] = k == starts[i] ? p : sum[a] + p;
      }
    const int64_t count = starts[i + 1] - starts[i];
    CHECK(num_points[i] == count);
    for (int a = 0; a < 3; ++a) CHECK(means[3 * i + a] == sum[a] / static_cast<float>(count));
  }
}

}  // namespace

void test_voxels(const Batch& batch, bool check_results, Digests& digests) {
  const KeyLayout layouts[] = {
      make_cube(8, 1, {}), make_cube(8, 0.25f, {2, 2, 4, 2, 1, 1}), make_cube(64, 0.5f, {4, 4, 8}),
      make_cube(1.6e5f, 0.5f, {})};  // the last has too many cells for one word a point
  for (const KeyLayout& layout : layouts) {
    Buffer<int64_t> order(batch.num_points()), point_to_token(batch.num_points());
    const VoxelIndex index = voxel_index_cpu(
        batch.xyz.data(), batch.num_points(), batch.offsets.data(), batch.num_clouds(), layout, order.data(),
        point_to_token.data());
    digests.add("voxel_index", order.data(), index.num_kept);
    digests.add("voxel_index", point_to_token);
    for (int l = 0; l < layout.num_levels; ++l) {
      digests.add("voxel_index", index.keys[l].data(), static_cast<int64_t>(index.keys[l].size()));
      digests.add("voxel_index", index.starts[l].data(), static_cast<int64_t>(index.starts[l].size()));
    }
    if (check_results) check_index(batch, layout, index);
    if (layout.num_levels == 1) test_downsample(batch, layout, index, digests);
    test_cells(batch, layout, index, check_results && batch.is_small(), digests);
  }
}

}  // namespace geopt::test
