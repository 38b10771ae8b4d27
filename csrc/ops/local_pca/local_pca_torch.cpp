#include "common/tensor.h"
#include "ops/local_pca/local_pca.h"

namespace geopt {
namespace {

using Result = std::tuple<Tensor, Tensor, Tensor>;

// local_pca_cpu or local_pca_emulated.
template <class Kernel>
Result on_host(const Kernel& kernel, Tensor xyz, Tensor offsets, int64_t k) {
  xyz = torch::stable::contiguous(xyz);
  offsets = cloud_offsets(offsets, xyz.size(0), "local_pca: offsets");
  const int64_t n = xyz.size(0);
  Tensor normals = new_float(xyz, {n, 3}), eigenvalues = new_float(xyz, {n, 3}), counts = new_int64(xyz, {n});
  kernel(
      data<float>(xyz), n, data<int64_t>(offsets), offsets.numel() - 1, k, mutable_data<float>(normals),
      mutable_data<float>(eigenvalues), mutable_data<int64_t>(counts));
  return {normals, eigenvalues, counts};
}

Result local_pca_on_cpu(Tensor xyz, Tensor offsets, int64_t k) { return on_host(local_pca_cpu, xyz, offsets, k); }

Result local_pca_by_emulation(Tensor xyz, Tensor offsets, int64_t k) {
  return on_host(local_pca_emulated, xyz, offsets, k);
}

#ifdef GEOPT_WITH_CUDA
Result local_pca_on_cuda(Tensor xyz, Tensor offsets, int64_t k) {
  const torch::stable::accelerator::DeviceGuard guard(xyz.get_device());
  void* stream = current_cuda_stream(xyz.get_device());
  xyz = torch::stable::contiguous(xyz);
  const int64_t n = xyz.size(0), num_clouds = offsets.numel() - 1;
  STD_TORCH_CHECK(n < kNoRow, "local_pca: CUDA takes fewer than 2^32 - 1 points, got ", n);
  offsets = cloud_offsets_on_cuda(offsets, n, "local_pca: offsets", stream);
  const int64_t bytes = local_pca_cuda_workspace(n, num_clouds, k);
  Tensor workspace = new_workspace(xyz, bytes);
  Tensor normals = new_float(xyz, {n, 3}), eigenvalues = new_float(xyz, {n, 3}), counts = new_int64(xyz, {n});
  check_cuda(
      local_pca_cuda(
          data<float>(xyz), n, data<int64_t>(offsets), num_clouds, k, workspace.mutable_data_ptr(), bytes,
          mutable_data<float>(normals), mutable_data<float>(eigenvalues), mutable_data<int64_t>(counts), stream),
      "local_pca");
  return {normals, eigenvalues, counts};
}
#endif

}  // namespace
}  // namespace geopt

STABLE_TORCH_LIBRARY_FRAGMENT(geopt, m) {
  m.def("local_pca(Tensor xyz, Tensor offsets, int k) -> (Tensor, Tensor, Tensor)");
  // On CPU tensors, what the CUDA kernels compute: for tests.
  m.def("local_pca_emulated(Tensor xyz, Tensor offsets, int k) -> (Tensor, Tensor, Tensor)");
}

STABLE_TORCH_LIBRARY_IMPL(geopt, CPU, m) {
  m.impl("local_pca", TORCH_BOX(&geopt::local_pca_on_cpu));
  m.impl("local_pca_emulated", TORCH_BOX(&geopt::local_pca_by_emulation));
}

#ifdef GEOPT_WITH_CUDA
STABLE_TORCH_LIBRARY_IMPL(geopt, CUDA, m) { m.impl("local_pca", TORCH_BOX(&geopt::local_pca_on_cuda)); }
#endif
