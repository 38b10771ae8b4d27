#include "common/tensor.h"
#include "ops/box_iou/box_iou.h"

namespace geopt {
namespace {

Tensor new_iou(const Tensor& a, const Tensor& b) {
  return torch::stable::new_empty(a, std::vector<int64_t>{a.size(0), b.size(0)}, a.scalar_type());
}

Tensor box_iou_on_cpu(Tensor a, Tensor b, bool volume) {
  a = torch::stable::contiguous(a);
  b = torch::stable::contiguous(b);
  Tensor iou = new_iou(a, b);
  for_float_type(a, [&](auto type) {
    using T = decltype(type);
    box_iou_cpu<T>(
        data<T>(a), a.size(0), a.size(1), data<T>(b), b.size(0), b.size(1), volume, mutable_data<T>(iou));
  });
  return iou;
}

#ifdef GEOPT_WITH_CUDA
Tensor box_iou_on_cuda(Tensor a, Tensor b, bool volume) {
  const torch::stable::accelerator::DeviceGuard guard(a.get_device());
  void* stream = current_cuda_stream(a.get_device());
  a = torch::stable::contiguous(a);
  b = torch::stable::contiguous(b);
  Tensor iou = new_iou(a, b);
  const int64_t bytes = box_iou_cuda_workspace(a.size(0), b.size(0));
  Tensor workspace = torch::stable::new_empty(a, std::vector<int64_t>{bytes}, ScalarType::Byte);
  for_float_type(a, [&](auto type) {
    using T = decltype(type);
    check_cuda(
        box_iou_cuda<T>(
            data<T>(a), a.size(0), a.size(1), data<T>(b), b.size(0), b.size(1), volume, mutable_data<T>(iou),
            workspace.mutable_data_ptr(), bytes, stream),
        "box_iou");
  });
  return iou;
}
#endif

}  // namespace
}  // namespace geopt

STABLE_TORCH_LIBRARY_FRAGMENT(geopt, m) { m.def("box_iou(Tensor a, Tensor b, bool volume) -> Tensor"); }

STABLE_TORCH_LIBRARY_IMPL(geopt, CPU, m) { m.impl("box_iou", TORCH_BOX(&geopt::box_iou_on_cpu)); }

#ifdef GEOPT_WITH_CUDA
STABLE_TORCH_LIBRARY_IMPL(geopt, CUDA, m) { m.impl("box_iou", TORCH_BOX(&geopt::box_iou_on_cuda)); }
#endif
