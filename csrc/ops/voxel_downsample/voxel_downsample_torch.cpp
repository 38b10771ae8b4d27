#include "common/tensor.h"
#include "ops/voxel_downsample/voxel_downsample.h"
#include "ops/voxelize/voxelize_torch.h"

namespace geopt {
namespace {

using Result = std::tuple<Tensor, Tensor, Tensor, Tensor>;

KeyLayout checked_layout(
    double lower_x, double lower_y, double lower_z, double size_x, double size_y, double size_z,
    const std::vector<int64_t>& shape) {
  STD_TORCH_CHECK(shape.size() == 3, "voxel_downsample: shape must have 3 entries");
  for (const int64_t cells : shape)
    STD_TORCH_CHECK(cells > 0 && cells < int64_t{1} << 31, "voxel_downsample: cells along an axis must fit int32");
  const double lower[3] = {lower_x, lower_y, lower_z}, size[3] = {size_x, size_y, size_z};
  return make_layout(lower, size, shape.data(), 1, nullptr);
}

Result downsample_on_cpu(
    Tensor xyz, Tensor offsets, double lower_x, double lower_y, double lower_z, double size_x, double size_y,
    double size_z, std::vector<int64_t> shape) {
  const KeyLayout layout = checked_layout(lower_x, lower_y, lower_z, size_x, size_y, size_z, shape);
  xyz = torch::stable::contiguous(xyz);
  const int64_t n = xyz.size(0);
  offsets = cloud_offsets(offsets, n, "voxel_downsample: offsets");
  Tensor point_to_voxel = new_int64(xyz, {n}), coords, means, num_points;
  voxel_downsample_cpu(
      data<float>(xyz), n, data<int64_t>(offsets), offsets.numel() - 1, layout, mutable_data<int64_t>(point_to_voxel),
      [&](int64_t num_voxels) {
        coords = torch::stable::new_empty(xyz, std::vector<int64_t>{num_voxels, 4}, ScalarType::Int);
        means = new_float(xyz, {num_voxels, 3});
        num_points = new_int64(xyz, {num_voxels});
        return VoxelMeans{mutable_data<int32_t>(coords), mutable_data<float>(means), mutable_data<int64_t>(num_points)};
      });
  return {coords, point_to_voxel, means, num_points};
}

#ifdef GEOPT_WITH_CUDA
Result downsample_on_cuda(
    Tensor xyz, Tensor offsets, double lower_x, double lower_y, double lower_z, double size_x, double size_y,
    double size_z, std::vector<int64_t> shape) {
  const KeyLayout layout = checked_layout(lower_x, lower_y, lower_z, size_x, size_y, size_z, shape);
  const torch::stable::accelerator::DeviceGuard guard(xyz.get_device());
  void* stream = current_cuda_stream(xyz.get_device());
  xyz = torch::stable::contiguous(xyz);
  const auto [order, point_to_voxel, keys, starts, sizes] = sort_on_cuda(xyz, offsets, layout);
  const int64_t num_voxels = keys.numel();
  Tensor coords = torch::stable::new_empty(xyz, std::vector<int64_t>{num_voxels, 4}, ScalarType::Int);
  Tensor means = new_float(xyz, {num_voxels, 3}), num_points = new_int64(xyz, {num_voxels});
  const VoxelMeans voxels{mutable_data<int32_t>(coords), mutable_data<float>(means), mutable_data<int64_t>(num_points)};
  check_cuda(
      voxel_means_cuda(
          data<float>(xyz), data<int64_t>(order), data<int64_t>(keys), data<int64_t>(starts), num_voxels, layout,
          voxels, stream),
      "voxel_downsample");
  return {coords, point_to_voxel, means, num_points};
}
#endif

}  // namespace
}  // namespace geopt

STABLE_TORCH_LIBRARY_FRAGMENT(geopt, m) {
  m.def(
      "voxel_downsample(Tensor xyz, Tensor offsets, float lower_x, float lower_y, float lower_z, float size_x, "
      "float size_y, float size_z, int[] shape) -> (Tensor, Tensor, Tensor, Tensor)");
}

STABLE_TORCH_LIBRARY_IMPL(geopt, CPU, m) { m.impl("voxel_downsample", TORCH_BOX(&geopt::downsample_on_cpu)); }

#ifdef GEOPT_WITH_CUDA
STABLE_TORCH_LIBRARY_IMPL(geopt, CUDA, m) { m.impl("voxel_downsample", TORCH_BOX(&geopt::downsample_on_cuda)); }
#endif
