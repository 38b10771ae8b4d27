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

}  // namespace
}  // namespace geopt

STABLE_TORCH_LIBRARY_FRAGMENT(geopt, m) {
  m.def("points_in_boxes(Tensor xyz, Tensor boxes, Tensor offsets, Tensor box_offsets) -> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(geopt, CPU, m) { m.impl("points_in_boxes", TORCH_BOX(&geopt::points_in_boxes_on_cpu)); }
