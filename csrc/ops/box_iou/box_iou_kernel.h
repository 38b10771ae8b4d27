// The part of box_iou that gains from wider instructions: one box with many.
#pragma once

#include <cstdint>

#include "common/simd.h"
#include "ops/box_iou/box_iou.h"

namespace geopt {

// Boxes side by side: the numbers of a TurnedBox in its order, each an array of `stride` boxes.
constexpr int64_t kBoxColumns = 10;

static inline void put_column(const TurnedBox& box, double* at, int64_t stride) {
  const double values[kBoxColumns] = {box.x,           box.y,      box.z,    box.half_length, box.half_width,
                                      box.half_height, box.cosine, box.sine, box.measure,     box.reach};
  for (int64_t c = 0; c < kBoxColumns; ++c) at[c * stride] = values[c];
}

// Writes box_iou(a, b) for the first `count` boxes b of `columns`.
GEOPT_DECLARE_LEVELS(
    void iou_with_many(const TurnedBox& a, const double* columns, int64_t stride, int64_t count, double* iou))

}  // namespace geopt
