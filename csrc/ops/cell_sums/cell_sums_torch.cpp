#include <algorithm>
#include <optional>

#include "common/tensor.h"
#include "ops/cell_sums/cell_sums.h"

namespace geopt {
namespace {

std::tuple<Tensor, Tensor> cell_sums_on_cpu(
    Tensor xyz, Tensor order, Tensor starts, double lower_x, double lower_y, double lower_z,
    std::optional<Tensor> sweep_rows) {
  xyz = torch::stable::contiguous(xyz);
  order = torch::stable::contiguous(order);
  starts = cloud_offsets(starts, order.numel(), "cell_sums: starts");
  const int64_t n = xyz.size(0), num_cells = starts.numel() - 1;
  // The wrapper checks too, but not in a compiled graph.
  const int64_t* chosen = data<int64_t>(order);
  const bool known = std::all_of(chosen, chosen + order.numel(), [&](int64_t r) { return 0 <= r && r < n; });
  STD_TORCH_CHECK(known, "cell_sums: order must lie in [0, ", n, ")");
  Tensor rows;
  if (sweep_rows.has_value()) {
    rows = torch::stable::contiguous(*sweep_rows);
    STD_TORCH_CHECK(rows.numel() == n, "cell_sums: sweep_rows must have one entry per point");
  }
  Tensor sums = new_int64(xyz, {num_cells, 3});
  Tensor lowest = new_int64(xyz, {sweep_rows.has_value() ? num_cells : 0});
  const double lower[3] = {lower_x, lower_y, lower_z};
  cell_sums_cpu(
      data<float>(xyz), data<int64_t>(order), data<int64_t>(starts), num_cells, lower,
      sweep_rows.has_value() ? data<int64_t>(rows) : nullptr, mutable_data<int64_t>(sums), mutable_data<int64_t>(lowest));
  return {sums, lowest};
}

#ifdef GEOPT_WITH_CUDA
std::tuple<Tensor, Tensor> cell_sums_on_cuda(
    Tensor xyz, Tensor order, Tensor starts, double lower_x, double lower_y, double lower_z,
    std::optional<Tensor> sweep_rows) {
  const torch::stable::accelerator::DeviceGuard guard(xyz.get_device());
  void* stream = current_cuda_stream(xyz.get_device());
  xyz = torch::stable::contiguous(xyz);
  order = torch::stable::contiguous(order);
  starts = torch::stable::contiguous(starts);
  Tensor rows;
  if (sweep_rows.has_value()) rows = torch::stable::contiguous(*sweep_rows);
  const int64_t num_cells = starts.numel() - 1;
  Tensor sums = new_int64(xyz, {num_cells, 3});
  Tensor lowest = new_int64(xyz, {sweep_rows.has_value() ? num_cells : 0});
  const double lower[3] = {lower_x, lower_y, lower_z};
  check_cuda(
      cell_sums_cuda(
          data<float>(xyz), data<int64_t>(order), data<int64_t>(starts), num_cells, lower,
          sweep_rows.has_value() ? data<int64_t>(rows) : nullptr, mutable_data<int64_t>(sums),
          mutable_data<int64_t>(lowest), stream),
      "cell_sums");
  return {sums, lowest};
}
#endif

}  // namespace
}  // namespace geopt

STABLE_TORCH_LIBRARY_FRAGMENT(geopt, m) {
  m.def(
      "cell_sums(Tensor xyz, Tensor order, Tensor starts, float lower_x, float lower_y, float lower_z, "
      "Tensor? sweep_rows) -> (Tensor, Tensor)");
}

STABLE_TORCH_LIBRARY_IMPL(geopt, CPU, m) { m.impl("cell_sums", TORCH_BOX(&geopt::cell_sums_on_cpu)); }

#ifdef GEOPT_WITH_CUDA
STABLE_TORCH_LIBRARY_IMPL(geopt, CUDA, m) { m.impl("cell_sums", TORCH_BOX(&geopt::cell_sums_on_cuda)); }
#endif
