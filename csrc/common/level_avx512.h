// First line of <op>_avx512.cpp: what follows is compiled for x86-64-v4. See simd.h.
#pragma once

#include "common/simd.h"

#define GEOPT_LEVEL avx512
#ifdef GEOPT_X86
#pragma GCC target("arch=x86-64-v4,prefer-vector-width=512")
#endif
