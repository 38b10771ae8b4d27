#include "ops/voxelize/voxelize_torch.h"

#include "common/tensor.h"
#include "ops/voxelize/voxelize.h"

namespace geopt {
namespace {

KeyLayout checked_layout(
    double lower_x, double lower_y, double lower_z, double size_x, double size_y, double size_z,
    const std::vector<int64_t>& shape, const std::vector<int64_t>& ratios) {
  const double lower[3] = {lower_x, lower_y, lower_z}, size[3] = {size_x, size_y, size_z};
  STD_TORCH_CHECK(
      shape.size() == 3 && ratios.size() % 3 == 0, "voxel_index: shape must have 3 entries, ratios 3 a level");
  const int num_levels = 1 + static_cast<int>(ratios.size() / 3);
  STD_TORCH_CHECK(num_levels <= kMaxLevels, "voxel_index: at most ", kMaxLevels, " levels");
  for (const int64_t cells : shape)
    STD_TORCH_CHECK(cells > 0 && cells < int64_t{1} << 31, "voxel_index: cells along an axis must fit int32");
  return make_layout(lower, size, shape.data(), num_levels, ratios.data());
}

using Result = VoxelIndexTensors;

Result voxel_index_on_cpu(
    Tensor xyz, Tensor offsets, double lower_x, double lower_y, double lower_z, double size_x, double size_y,
    double size_z, std::vector<int64_t> shape, std::vector<int64_t> ratios) {
  const KeyLayout layout = checked_layout(lower_x, lower_y, lower_z, size_x, size_y, size_z, shape, ratios);
  xyz = torch::stable::contiguous(xyz);
  offsets = cloud_offsets(offsets, xyz.size(0), "voxel_index: offsets");
  const int64_t n = xyz.size(0);
  Tensor order = new_int64(xyz, {n}), point_to_token = new_int64(xyz, {n});
  const VoxelIndex index = voxel_index_cpu(
      data<float>(xyz), n, data<int64_t>(offsets), offsets.numel() - 1, layout, mutable_data<int64_t>(order),
      mutable_data<int64_t>(point_to_token));
  if (index.num_kept < n) order = torch::stable::narrow(order, 0, 0, index.num_kept);

  const auto copied = [&](const std::vector<const std::vector<int64_t>*>& parts) {
    int64_t total = 0;
    for (const auto* part : parts) total += static_cast<int64_t>(part->size());
    Tensor out = new_int64(xyz, {total});
    int64_t* to = mutable_data<int64_t>(out);
    for (const auto* part : parts) {
      if (!part->empty()) std::memcpy(to, part->data(), part->size() * sizeof(int64_t));
      to += part->size();
    }
    return out;
  };
  std::vector<const std::vector<int64_t>*> keys, starts;
  std::vector<int64_t> sizes;
  for (int l = 0; l < layout.num_levels; ++l) {
    keys.push_back(&index.keys[l]);
    starts.push_back(&index.starts[l]);
    sizes.push_back(static_cast<int64_t>(index.keys[l].size()));
  }
  return {order, point_to_token, copied(keys), copied(starts), copied({&sizes})};
}

#ifdef GEOPT_WITH_CUDA
Result voxel_index_on_cuda(
    Tensor xyz, Tensor offsets, double lower_x, double lower_y, double lower_z, double size_x, double size_y,
    double size_z, std::vector<int64_t> shape, std::vector<int64_t> ratios) {
  return sort_on_cuda(xyz, offsets, checked_layout(lower_x, lower_y, lower_z, size_x, size_y, size_z, shape, ratios));
}
#endif

}  // namespace

#ifdef GEOPT_WITH_CUDA
VoxelIndexTensors sort_on_cuda(Tensor xyz, Tensor offsets, const KeyLayout& layout) {
  const int32_t device = xyz.get_device();
  const torch::stable::accelerator::DeviceGuard guard(device);
  void* stream = current_cuda_stream(device);
  xyz = torch::stable::contiguous(xyz);
  offsets = torch::stable::contiguous(offsets);
  const int64_t n = xyz.size(0), num_clouds = offsets.numel() - 1;
  STD_TORCH_CHECK(num_clouds >= 0, "voxel_index: offsets must have at least one entry, got none");
  const int64_t bytes = voxel_index_cuda_workspace(n, num_clouds, layout);
  Tensor workspace = torch::stable::new_empty(xyz, std::vector<int64_t>{bytes}, ScalarType::Byte);
  Tensor counts = new_int64(xyz, {2 + layout.num_levels});
  check_cuda(
      voxel_index_cuda_sort(
          data<float>(xyz), n, data<int64_t>(offsets), num_clouds, layout, workspace.mutable_data_ptr(), bytes,
          mutable_data<int64_t>(counts), stream),
      "voxel_index");
  // The one read-back of this op: the sizes of the results.
  Tensor host_counts = torch::stable::to(
      counts, std::nullopt, std::nullopt, torch::stable::Device(torch::headeronly::DeviceType::CPU, -1));
  const int64_t* host = data<int64_t>(host_counts);
  STD_TORCH_CHECK(host[1 + layout.num_levels] == 0, "voxel_index: offsets must rise from 0 to ", n);
  int64_t num_cells = 0;
  for (int l = 0; l < layout.num_levels; ++l) num_cells += host[1 + l];
  Tensor order = new_int64(xyz, {host[0]});
  Tensor point_to_token = new_int64(xyz, {n});
  Tensor keys = new_int64(xyz, {num_cells});
  Tensor starts = new_int64(xyz, {num_cells + layout.num_levels});
  check_cuda(
      voxel_index_cuda_write(
          n, num_clouds, layout, host, workspace.mutable_data_ptr(), mutable_data<int64_t>(order),
          mutable_data<int64_t>(point_to_token), mutable_data<int64_t>(keys), mutable_data<int64_t>(starts), stream),
      "voxel_index");
  return {order, point_to_token, keys, starts, torch::stable::narrow(host_counts, 0, 1, layout.num_levels)};
}
#endif

}  // namespace geopt

STABLE_TORCH_LIBRARY_FRAGMENT(geopt, m) {
  m.def(
      "voxel_index(Tensor xyz, Tensor offsets, float lower_x, float lower_y, float lower_z, float size_x, "
      "float size_y, float size_z, int[] shape, int[] ratios) -> (Tensor, Tensor, Tensor, Tensor, Tensor)");
}

STABLE_TORCH_LIBRARY_IMPL(geopt, CPU, m) { m.impl("voxel_index", TORCH_BOX(&geopt::voxel_index_on_cpu)); }

#ifdef GEOPT_WITH_CUDA
STABLE_TORCH_LIBRARY_IMPL(geopt, CUDA, m) { m.impl("voxel_index", TORCH_BOX(&geopt::voxel_index_on_cuda)); }
#endif
