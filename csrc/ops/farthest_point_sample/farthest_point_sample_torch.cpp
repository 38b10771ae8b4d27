#include "common/tensor.h"
#include "ops/farthest_point_sample/farthest_point_sample.h"

namespace geopt {
namespace {

Tensor sample_on_cpu(Tensor xyz, Tensor offsets, int64_t num_samples, int64_t start) {
  xyz = torch::stable::contiguous(xyz);
  offsets = cloud_offsets(offsets, xyz.size(0), "farthest_point_sample: offsets");
  const int64_t num_clouds = offsets.numel() - 1;
  Tensor picks = new_int64(xyz, {num_clouds, num_samples});
  const int64_t failed = farthest_point_sample_cpu(
      data<float>(xyz), data<int64_t>(offsets), num_clouds, num_samples, start,
      mutable_data<int64_t>(picks));
  STD_TORCH_CHECK(failed < 0, "farthest_point_sample: cloud ", failed, " has fewer finite points than num_samples");
  return picks;
}

#ifdef GEOPT_WITH_CUDA
Tensor sample_on_cuda(Tensor xyz, Tensor offsets, int64_t num_samples, int64_t start) {
  const torch::stable::accelerator::DeviceGuard guard(xyz.get_device());
  void* stream = current_cuda_stream(xyz.get_device());
  xyz = torch::stable::contiguous(xyz);
  offsets = cloud_offsets_on_cuda(offsets, xyz.size(0), "farthest_point_sample: offsets", stream);
  const int64_t n = xyz.size(0), num_clouds = offsets.numel() - 1;
  Tensor picks = new_int64(xyz, {num_clouds, num_samples});
  const int64_t bytes = farthest_point_sample_cuda_workspace(n, num_clouds);
  Tensor workspace = torch::stable::new_empty(xyz, std::vector<int64_t>{bytes}, ScalarType::Byte);
  check_cuda(
      farthest_point_sample_cuda(
          data<float>(xyz), n, data<int64_t>(offsets), num_clouds, num_samples, start, mutable_data<int64_t>(picks),
          workspace.mutable_data_ptr(), bytes, stream),
      "farthest_point_sample");
  return picks;
}
#endif

}  // namespace
}  // namespace geopt

STABLE_TORCH_LIBRARY_FRAGMENT(geopt, m) {
  m.def("farthest_point_sample(Tensor xyz, Tensor offsets, int num_samples, int start) -> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(geopt, CPU, m) { m.impl("farthest_point_sample", TORCH_BOX(&geopt::sample_on_cpu)); }

#ifdef GEOPT_WITH_CUDA
STABLE_TORCH_LIBRARY_IMPL(geopt, CUDA, m) { m.impl("farthest_point_sample", TORCH_BOX(&geopt::sample_on_cuda)); }
#endif
