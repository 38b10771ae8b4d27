#include "ops/box_iou/box_iou_kernel.h"

namespace geopt::GEOPT_LEVEL {

void iou_with_many(const TurnedBox& box, const double* columns, int64_t stride, int64_t count, double* iou) {
  const TurnedBox a = box;  // a copy, which writing iou cannot change
  const double *x = columns, *y = x + stride, *z = y + stride, *half_length = z + stride,
               *half_width = half_length + stride, *half_height = half_width + stride, *cosine = half_height + stride,
               *sine = cosine + stride, *measure = sine + stride;
#pragma omp simd
  for (int64_t j = 0; j < count; ++j) {
    const TurnedBox b{x[j],      y[j],    z[j],       half_length[j], half_width[j], half_height[j],
                      cosine[j], sine[j], measure[j], 0.0};
    iou[j] = box_iou(a, b);
  }
}

}  // namespace geopt::GEOPT_LEVEL
