#include "common/tensor.h"
#include "ops/mean_distances/mean_distances.h"

namespace geopt {
namespace {

std::tuple<Tensor, Tensor> mean_distances_on_cpu(Tensor distances, Tensor indices, Tensor offsets) {
  distances = torch::stable::contiguous(distances);
  indices = torch::stable::contiguous(indices);
  offsets = cloud_offsets(offsets, distances.size(0), "mean_distances: offsets");
  const int64_t num_clouds = offsets.numel() - 1;
  Tensor means = new_float(distances, {num_clouds}), counts = new_int64(distances, {num_clouds});
  mean_distances_cpu(
      data<float>(distances), data<int64_t>(indices), data<int64_t>(offsets), num_clouds, mutable_data<float>(means),
      mutable_data<int64_t>(counts));
  return {means, counts};
}

}  // namespace
}  // namespace geopt

STABLE_TORCH_LIBRARY_FRAGMENT(geopt, m) {
  m.def("mean_distances(Tensor distances, Tensor indices, Tensor offsets) -> (Tensor, Tensor)");
}

STABLE_TORCH_LIBRARY_IMPL(geopt, CPU, m) {
  m.impl("mean_distances", TORCH_BOX(&geopt::mean_distances_on_cpu));
}
