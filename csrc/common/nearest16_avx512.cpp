#include "common/level_avx512.h"
#ifdef GEOPT_X86
#include "common/nearest16_kernel.inl"
#endif
