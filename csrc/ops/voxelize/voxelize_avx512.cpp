#include "common/level_avx512.h"

#ifdef GEOPT_X86
#include "ops/voxelize/voxelize_kernel.inl"
#endif
