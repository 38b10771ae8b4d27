// First line of <op>_avx2.cpp: what follows is compiled for x86-64-v3. See simd.h.
#pragma once

#include "common/simd.h"

#define GEOPT_LEVEL avx2
#ifdef GEOPT_X86
#define GEOPT_AVX2  // g++ 12 reads all macros before it heeds the pragma: __AVX2__ is not set
#pragma GCC target("arch=x86-64-v3")
#endif
