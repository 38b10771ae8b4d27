#include "common/tensor.h"
#include "ops/local_pca/local_pca.h"

namespace geopt {
namespace {

std::tuple<Tensor, Tensor, Tensor> local_pca_on_cpu(Tensor xyz, Tensor offsets, int64_t k) {
  xyz = torch::stable::contiguous(xyz);
  offsets = cloud_offsets(offsets, xyz.size(0), "local_pca: offsets");
  const int64_t n = xyz.size(0);
  Tensor normals = new_float(xyz, {n, 3}), eigenvalues = new_float(xyz, {n, 3}), counts = new_int64(xyz, {n});
  local_pca_cpu(
      data<float>(xyz), n, data<int64_t>(offsets), offsets.numel() - 1, k, mutable_data<float>(normals),
      mutable_data<float>(eigenvalues), mutable_data<int64_t>(counts));
  return {normals, eigenvalues, counts};
}

}  // namespace
}  // namespace geopt

STABLE_TORCH_LIBRARY_FRAGMENT(geopt, m) {
  m.def("local_pca(Tensor xyz, Tensor offsets, int k) -> (Tensor, Tensor, Tensor)");
}

STABLE_TORCH_LIBRARY_IMPL(geopt, CPU, m) { m.impl("local_pca", TORCH_BOX(&geopt::local_pca_on_cpu)); }
