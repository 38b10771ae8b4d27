#include "common/level_base.h"

#include "ops/box_iou/box_iou_kernel.inl"
