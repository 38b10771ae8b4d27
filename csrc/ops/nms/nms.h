// Which boxes are left when each takes away the lower-scored ones that overlap it. Whether two overlap is decided by
// box_iou(kept, other) on every back end.
#pragma once

#include <stdint.h>

#include "ops/box_iou/box_iou.h"

namespace geopt {

struct NmsRule {
  double iou_threshold;
  int64_t max_kept;  // of each run; negative for all
  bool volume;
};

GEOPT_HD bool suppresses(const TurnedBox& kept, const TurnedBox& other, double iou_threshold) {
  return !out_of_reach(kept.x, kept.y, kept.reach, other.x, other.y, other.reach) &&
         box_iou(kept, other) > iou_threshold;
}

// boxes (n, columns), of which the first seven count; order (n) rows of boxes, cut into runs of boxes that may take
// each other away, best first; first (n) where the run of each position of order begins. Writes kept (n), by position.
template <class T>
void nms_cpu(
    const T* boxes, int64_t n, int64_t columns, const int64_t* order, const int64_t* first, const NmsRule& rule,
    bool* kept);

#ifdef GEOPT_WITH_CUDA
int64_t nms_cuda_workspace(int64_t n);
template <class T>
int nms_cuda(
    const T* boxes, int64_t n, int64_t columns, const int64_t* order, const int64_t* first, const NmsRule& rule,
    bool* kept, void* workspace, int64_t workspace_bytes, void* stream);
#endif

}  // namespace geopt
