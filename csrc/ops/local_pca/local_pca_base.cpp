#include "common/level_base.h"
#include "ops/local_pca/local_pca_kernel.inl"
