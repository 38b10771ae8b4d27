#include "common/level_avx2.h"
#ifdef GEOPT_X86
#include "ops/local_pca/local_pca_kernel.inl"
#endif
