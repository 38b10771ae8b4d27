#include "common/level_base.h"

#include "ops/farthest_point_sample/farthest_point_sample_kernel.inl"
