#include "common/tensor.h"
#include "ops/points_in_boxes/points_in_boxes.h"

namespace geopt {
namespace {

Tensor points_in_boxes_on_cpu(Tensor xyz, Tensor boxes, Tensor offsets, Tensor box_offsets) {
  xyz = torch::stable::contiguous(xyz);
  boxes = torch::stable::contiguous(boxes);
  offsets = cloud_offsets(offsets, xyz.size(0), "points_in_boxes: offsets");
  box_offsets = cloud_offsets(box_offsets, boxes.size(0), "points_in_boxes: box_offsets");
  Tensor rows = new_int64(xyz, {xyz.size(0)});
  points_in_boxes_cpu(
      data<float>(xyz), xyz.size(0), data<int64_t>(offsets), data<double>(boxes), boxes.size(0),
      data<int64_t>(box_offsets), offsets.numel() - 1, mutable_data<int64_t>(rows));
  return rows;
}

#ifdef GEOPT_WITH_CUDA
Tensor points_in_boxes_on_cuda(Tensor xyz, Tensor boxes, Tensor offsets, Tensor box_offsets) {
  const torch::stable::accelerator::DeviceGuard guard(xyz.get_device());
  void* stream = current_cuda_stream(xyz.get_device());
  xyz = torch::stable::contiguous(xyz);
  boxes = torch::stable::contiguous(boxes);
  offsets = cloud_offsets_on_cuda(offsets, xyz.size(0), "points_in_boxes: offsets", stream);
  box_offsets = cloud_offsets_on_cuda(box_offsets, boxes.size(0), "points_in_boxes: box_offsets", stream);
  Tensor rows = new_int64(xyz, {xyz.size(0)});
  const int64_t bytes = points_in_boxes_cuda_workspace(boxes.size(0));
  Tensor workspace = torch::stable::new_empty(xyz, std::vector<int64_t>{bytes}, ScalarType::Byte);
  check_cuda(
      points_in_boxes_cuda(
          data<float>(xyz), xyz.size(0), data<int64_t>(offsets), data<double>(boxes), boxes.size(0),
          data<int64_t>(box_offsets), offsets.numel() - 1, mutable_data<int64_t>(rows), workspace.mutable_data_ptr(),
          bytes, stream),
      "points_in_boxes");
  return rows;
}
#endif

}  // namespace
}  // namespace geopt

STABLE_TORCH_LIBRARY_FRAGMENT(geopt, m) {
  m.def("points_in_boxes(Tensor xyz, Tensor boxes, Tensor offsets, Tensor box_offsets) -> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(geopt, CPU, m) { m.impl("points_in_boxes", TORCH_BOX(&geopt::points_in_boxes_on_cpu)); }

#ifdef GEOPT_WITH_CUDA
STABLE_TORCH_LIBRARY_IMPL(geopt, CUDA, m) { m.impl("points_in_boxes", TORCH_BOX(&geopt::points_in_boxes_on_cuda)); }
#endif
