#include "common/level_avx2.h"

#ifdef GEOPT_X86
#include "ops/farthest_point_sample/farthest_point_sample_kernel.inl"
#endif
