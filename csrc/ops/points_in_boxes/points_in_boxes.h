// Which box holds a point. Every back end calls in_box.
#pragma once

#include <math.h>
#include <stdint.h>

#include "common/distance.h"
#include "common/macros.h"
#include "common/turn.h"

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
  const Turn turn = make_turn(xyz_lwh_yaw[6]);
  box.cosine = turn.cosine;
  box.sine = turn.sine;
  return box;
}

GEOPT_HD bool in_box(const Box& box, const float* p) {
  const double dx = p[0] - box.center[0], dy = p[1] - box.center[1], dz = p[2] - box.center[2];
  const double along = box.cosine * dx + box.sine * dy, across = box.cosine * dy - box.sine * dx;
  return fabs(along) <= box.half[0] && fabs(across) <= box.half[1] && fabs(dz) <= box.half[2];
}

// The first of the boxes [begin, end) that holds a point, or -1: also for a point with a NaN or an infinity.
GEOPT_HD int64_t first_box_around(const Box* boxes, int64_t begin, int64_t end, const float* p) {
  if (!is_finite_point(p)) return -1;
  for (int64_t b = begin; b < end; ++b)
    if (in_box(boxes[b], p)) return b;
  return -1;
}

// xyz (n, 3) with offsets (num_clouds + 1), boxes (m, 7) with box_offsets (num_clouds + 1). Writes for each point the
// lowest row of a box of its cloud that holds it, or -1; also -1 for a point with a NaN or an infinity.
void points_in_boxes_cpu(
    const float* xyz, int64_t n, const int64_t* offsets, const double* boxes, int64_t m, const int64_t* box_offsets,
    int64_t num_clouds, int64_t* rows);

#ifdef GEOPT_WITH_CUDA
int64_t points_in_boxes_cuda_workspace(int64_t m);
int points_in_boxes_cuda(
    const float* xyz, int64_t n, const int64_t* offsets, const double* boxes, int64_t m, const int64_t* box_offsets,
    int64_t num_clouds, int64_t* rows, void* workspace, int64_t workspace_bytes, void* stream);
#endif

}  // namespace geopt
