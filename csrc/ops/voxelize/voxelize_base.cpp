#include "common/level_base.h"

#include "ops/voxelize/voxelize_kernel.inl"
