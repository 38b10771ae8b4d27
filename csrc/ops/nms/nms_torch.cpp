#include "common/tensor.h"
#include "ops/nms/nms.h"

namespace geopt {
namespace {

Tensor new_kept(const Tensor& boxes) {
  return torch::stable::new_empty(boxes, std::vector<int64_t>{boxes.size(0)}, ScalarType::Bool);
}

Tensor nms_on_cpu(
    Tensor boxes, Tensor order, Tensor first, Tensor offsets, double iou_threshold, int64_t max_kept, bool volume) {
  boxes = torch::stable::contiguous(boxes);
  order = torch::stable::contiguous(order);
  first = torch::stable::contiguous(first);
  const int64_t n = boxes.size(0);
  // The wrapper made order and first from them, and could not look at their values in a compiled graph.
  cloud_offsets(offsets, n, "nms: offsets");
  const int64_t *rows = data<int64_t>(order), *begins = data<int64_t>(first);
  for (int64_t i = 0; i < n; ++i)
    STD_TORCH_CHECK(
        rows[i] >= 0 && rows[i] < n && (begins[i] == i || (i > 0 && begins[i] == begins[i - 1])),
        "nms: order must hold rows, and first where the run of each begins");
  Tensor kept = new_kept(boxes);
  for_float_type(boxes, [&](auto type) {
    using T = decltype(type);
    nms_cpu<T>(
        data<T>(boxes), n, boxes.size(1), rows, begins, {iou_threshold, max_kept, volume}, mutable_data<bool>(kept));
  });
  return kept;
}

#ifdef GEOPT_WITH_CUDA
Tensor nms_on_cuda(
    Tensor boxes, Tensor order, Tensor first, Tensor, double iou_threshold, int64_t max_kept, bool volume) {
  const torch::stable::accelerator::DeviceGuard guard(boxes.get_device());
  void* stream = current_cuda_stream(boxes.get_device());
  boxes = torch::stable::contiguous(boxes);
  order = torch::stable::contiguous(order);
  first = torch::stable::contiguous(first);
  const int64_t n = boxes.size(0), bytes = nms_cuda_workspace(n);
  Tensor kept = new_kept(boxes);
  Tensor workspace = torch::stable::new_empty(boxes, std::vector<int64_t>{bytes}, ScalarType::Byte);
  for_float_type(boxes, [&](auto type) {
    using T = decltype(type);
    check_cuda(
        nms_cuda<T>(
            data<T>(boxes), n, boxes.size(1), data<int64_t>(order), data<int64_t>(first),
            {iou_threshold, max_kept, volume}, mutable_data<bool>(kept), workspace.mutable_data_ptr(), bytes, stream),
        "nms");
  });
  return kept;
}
#endif

}  // namespace
}  // namespace geopt

STABLE_TORCH_LIBRARY_FRAGMENT(geopt, m) {
  m.def(
      "nms_kept(Tensor boxes, Tensor order, Tensor first, Tensor offsets, float iou_threshold, int max_kept, "
      "bool volume) -> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(geopt, CPU, m) { m.impl("nms_kept", TORCH_BOX(&geopt::nms_on_cpu)); }

#ifdef GEOPT_WITH_CUDA
STABLE_TORCH_LIBRARY_IMPL(geopt, CUDA, m) { m.impl("nms_kept", TORCH_BOX(&geopt::nms_on_cuda)); }
#endif
