#include "common/level_base.h"

#include "common/curve_kernel.inl"
