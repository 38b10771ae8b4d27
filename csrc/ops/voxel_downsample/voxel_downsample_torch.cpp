#include "common/tensor.h"
#include "ops/voxel_downsample/voxel_downsample.h"

namespace geopt {
namespace {

using Result = std::tuple<Tensor, Tensor, Tensor, Tensor>;

Result downsample_on_cpu(
    Tensor xyz, Tensor offsets, double lower_x, double lower_y, double lower_z, double size_x, double size_y,
    double size_z, std::vector<int64_t> shape) {
  STD_TORCH_CHECK(shape.size() == 3, "voxel_downsample: shape must have 3 entries");
  const double lower[3] = {lower_x, lower_y, lower_z}, size[3] = {size_x, size_y, size_z};
  const KeyLayout layout = make_layout(lower, size, shape.data(), 1, nullptr);
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

}  // namespace
}  // namespace geopt

STABLE_TORCH_LIBRARY_FRAGMENT(geopt, m) {
  m.def(
      "voxel_downsample(Tensor xyz, Tensor offsets, float lower_x, float lower_y, float lower_z, float size_x, "
      "float size_y, float size_z, int[] shape) -> (Tensor, Tensor, Tensor, Tensor)");
}

STABLE_TORCH_LIBRARY_IMPL(geopt, CPU, m) { m.impl("voxel_downsample", TORCH_BOX(&geopt::downsample_on_cpu)); }
