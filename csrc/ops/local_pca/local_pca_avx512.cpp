#include "common/level_avx512.h"
#ifdef GEOPT_X86
#include "ops/local_pca/local_pca_kernel.inl"
#endif
