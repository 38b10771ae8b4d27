#include <algorithm>

#include "common/tensor.h"
#include "ops/cell_pca/cell_pca.h"

namespace geopt {
namespace {

std::tuple<Tensor, Tensor, Tensor> cell_pca_on_cpu(
    Tensor points, Tensor member_starts, Tensor coords, Tensor centers, std::vector<int64_t> shape,
    std::vector<int64_t> window, bool about_own, Tensor rows) {
  STD_TORCH_CHECK(shape.size() == 3 && window.size() == 3, "cell_pca: shape and window must have 3 entries");
  points = torch::stable::contiguous(points);
  member_starts = cloud_offsets(member_starts, points.size(0), "cell_pca: member_starts");
  coords = torch::stable::contiguous(coords);
  centers = torch::stable::contiguous(centers);
  rows = torch::stable::contiguous(rows);
  const CellNeighborhood hood{{shape[0], shape[1], shape[2]}, {window[0], window[1], window[2]}, about_own};
  const int64_t num_rows = rows.numel(), num_cells = coords.size(0);
  // The wrapper checks too, but not in a compiled graph.
  const int64_t* asked = data<int64_t>(rows);
  const bool known = std::all_of(asked, asked + num_rows, [&](int64_t r) { return 0 <= r && r < num_cells; });
  STD_TORCH_CHECK(known, "cell_pca: rows must lie in [0, ", num_cells, ")");
  STD_TORCH_CHECK(member_starts.numel() == num_cells + 1, "cell_pca: member_starts must have one entry more than coords");
  STD_TORCH_CHECK(!about_own || centers.size(0) == num_cells, "cell_pca: centers must have one row per cell");
  Tensor normals = new_float(points, {num_rows, 3});
  Tensor eigenvalues = new_float(points, {num_rows, 3});
  Tensor counts = new_int64(points, {num_rows});
  cell_pca_cpu(
      data<double>(points), data<int64_t>(member_starts), data<int32_t>(coords), num_cells, data<double>(centers),
      hood, data<int64_t>(rows), num_rows, mutable_data<float>(normals), mutable_data<float>(eigenvalues),
      mutable_data<int64_t>(counts));
  return {normals, eigenvalues, counts};
}

#ifdef GEOPT_WITH_CUDA
std::tuple<Tensor, Tensor, Tensor> cell_pca_on_cuda(
    Tensor points, Tensor member_starts, Tensor coords, Tensor centers, std::vector<int64_t> shape,
    std::vector<int64_t> window, bool about_own, Tensor rows) {
  STD_TORCH_CHECK(shape.size() == 3 && window.size() == 3, "cell_pca: shape and window must have 3 entries");
  const torch::stable::accelerator::DeviceGuard guard(points.get_device());
  void* stream = current_cuda_stream(points.get_device());
  points = torch::stable::contiguous(points);
  member_starts = torch::stable::contiguous(member_starts);
  coords = torch::stable::contiguous(coords);
  centers = torch::stable::contiguous(centers);
  rows = torch::stable::contiguous(rows);
  const CellNeighborhood hood{{shape[0], shape[1], shape[2]}, {window[0], window[1], window[2]}, about_own};
  const int64_t num_rows = rows.numel(), num_cells = coords.size(0);
  Tensor normals = new_float(points, {num_rows, 3});
  Tensor eigenvalues = new_float(points, {num_rows, 3});
  Tensor counts = new_int64(points, {num_rows});
  const int64_t bytes = cell_pca_cuda_workspace(num_cells);
  Tensor workspace = torch::stable::new_empty(points, std::vector<int64_t>{bytes}, ScalarType::Byte);
  check_cuda(
      cell_pca_cuda(
          data<double>(points), data<int64_t>(member_starts), data<int32_t>(coords), num_cells, data<double>(centers),
          hood, data<int64_t>(rows), num_rows, mutable_data<float>(normals), mutable_data<float>(eigenvalues),
          mutable_data<int64_t>(counts), workspace.mutable_data_ptr(), bytes, stream),
      "cell_pca");
  return {normals, eigenvalues, counts};
}
#endif

}  // namespace
}  // namespace geopt

STABLE_TORCH_LIBRARY_FRAGMENT(geopt, m) {
  m.def(
      "cell_pca(Tensor points, Tensor member_starts, Tensor coords, Tensor centers, int[] shape, int[] window, "
      "bool about_own, Tensor rows) -> (Tensor, Tensor, Tensor)");
}

STABLE_TORCH_LIBRARY_IMPL(geopt, CPU, m) { m.impl("cell_pca", TORCH_BOX(&geopt::cell_pca_on_cpu)); }

#ifdef GEOPT_WITH_CUDA
STABLE_TORCH_LIBRARY_IMPL(geopt, CUDA, m) { m.impl("cell_pca", TORCH_BOX(&geopt::cell_pca_on_cuda)); }
#endif
