#include "common/tensor.h"
#include "ops/cell_coords/cell_coords.h"

namespace geopt {
namespace {

KeyLayout checked_layout(std::vector<int64_t> shape, const std::vector<int64_t>& ratios) {
  STD_TORCH_CHECK(
      shape.size() == 3 && ratios.size() % 3 == 0, "cell_coords: shape must have 3 entries, ratios 3 a level");
  const int num_levels = 1 + static_cast<int>(ratios.size() / 3);
  STD_TORCH_CHECK(num_levels <= kMaxLevels, "cell_coords: at most ", kMaxLevels, " levels");
  for (size_t i = 0; i < ratios.size(); ++i) shape[i % 3] *= ratios[i];
  for (const int64_t cells : shape)
    STD_TORCH_CHECK(cells > 0 && cells < int64_t{1} << 31, "cell_coords: cells along an axis must fit int32");
  const double anywhere[3] = {0, 0, 0};  // keys say where cells lie in the grid, not where the grid lies
  return make_layout(anywhere, anywhere, shape.data(), num_levels, ratios.data());
}

Tensor new_coords(const Tensor& keys) {
  return torch::stable::new_empty(keys, std::vector<int64_t>{keys.size(0), 4}, ScalarType::Int);
}

Tensor coords_on_cpu(Tensor keys, std::vector<int64_t> shape, std::vector<int64_t> ratios) {
  const KeyLayout layout = checked_layout(shape, ratios);
  keys = torch::stable::contiguous(keys);
  const int64_t n = keys.size(0);
  int64_t any_sign = 0;
  const int64_t* const numbers = data<int64_t>(keys);
  for (int64_t i = 0; i < n; ++i) any_sign |= numbers[i];
  STD_TORCH_CHECK(any_sign >= 0, "cell_coords: keys must not be negative");
  Tensor coords = new_coords(keys);
  cell_coords_cpu(data<int64_t>(keys), n, layout, mutable_data<int32_t>(coords));
  return coords;
}

#ifdef GEOPT_WITH_CUDA
Tensor coords_on_cuda(Tensor keys, std::vector<int64_t> shape, std::vector<int64_t> ratios) {
  const KeyLayout layout = checked_layout(shape, ratios);
  const torch::stable::accelerator::DeviceGuard guard(keys.get_device());
  void* stream = current_cuda_stream(keys.get_device());
  keys = torch::stable::contiguous(keys);
  Tensor coords = new_coords(keys);
  check_cuda(
      cell_coords_cuda(data<int64_t>(keys), keys.size(0), layout, mutable_data<int32_t>(coords), stream), "cell_coords");
  return coords;
}
#endif

}  // namespace
}  // namespace geopt

STABLE_TORCH_LIBRARY_FRAGMENT(geopt, m) { m.def("cell_coords(Tensor keys, int[] shape, int[] ratios) -> Tensor"); }

STABLE_TORCH_LIBRARY_IMPL(geopt, CPU, m) { m.impl("cell_coords", TORCH_BOX(&geopt::coords_on_cpu)); }

#ifdef GEOPT_WITH_CUDA
STABLE_TORCH_LIBRARY_IMPL(geopt, CUDA, m) { m.impl("cell_coords", TORCH_BOX(&geopt::coords_on_cuda)); }
#endif
