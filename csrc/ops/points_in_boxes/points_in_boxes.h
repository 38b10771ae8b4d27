// Which box holds a point. Every back end calls in_box.
#pragma once

#include <math.h>
#include <stdint.h>

#include "common/macros.h"

namespace geopt {

// Closed: a point on a face is inside. Float64 with every operation rounded. A box with a NaN or a negative size holds
// no point.
struct Box {
  double center[3], half[3], cosine, sine;
};

GEOPT_HD Box make_box(const double* xyz_lwh_yaw) {
  Box box;
  for (int a = 0; a < 3; ++a) {
    box.center[a] = xyz_lwh_yaw[a];
    box.half[a] = xyz_lwh_yaw[3 + a] / 2;
  }
  box.cosine = cos(xyz_lwh_yaw[6]);
  box.sine = sin(xyz_lwh_yaw[6]);
  return box;
}

GEOPT_HD bool in_box(const Box& box, const float* p) {
  const double dx = p[0] - box.center[0], dy = p[1] - box.center[1], dz = p[2] - box.center[2];
  const double along = box.cosine * dx + box.sine * dy, across = box.cosine * dy - box.sine * dx;
  return fabs(along) <= box.half[0] && fabs(across) <= box.half[1] && fabs(dz) <= box.half[2];
}

// xyz (n, 3) with offsets (num_clouds + 1), boxes (m, 7) with box_offsets (num_clouds + 1). Writes for each point the
// lowest row of a box of its cloud that holds it, or -1; also -1 for a point with a NaN or an infinity.
void points_in_boxes_cpu(
    const float* xyz, int64_t n, const int64_t* offsets, const double* boxes, int64_t m, const int64_t* box_offsets,
    int64_t num_clouds, int64_t* rows);

}  // namespace geopt
