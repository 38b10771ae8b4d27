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

}  // namespace
}  // namespace geopt

STABLE_TORCH_LIBRARY_FRAGMENT(geopt, m) {
  m.def("farthest_point_sample(Tensor xyz, Tensor offsets, int num_samples, int start) -> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(geopt, CPU, m) { m.impl("farthest_point_sample", TORCH_BOX(&geopt::sample_on_cpu)); }
