// First line of <op>_avx2.cpp: what follows is compiled for x86-64-v3. See simd.h.
#pragma once

#include "common/simd.h"

#define GEOPT_LEVEL avx2
#ifdef GEOPT_X86
#pragma GCC target("arch=x86-64-v3")
#endif
