#include "common/level_avx2.h"

#ifdef GEOPT_X86
#include "ops/box_iou/box_iou_kernel.inl"
#endif
