#include "common/level_base.h"
#include "common/nearest16_kernel.inl"
