// First line of <op>_avx512.cpp: what follows is compiled for x86-64-v4. See simd.h.
#pragma once

#include "common/simd.h"

#define GEOPT_LEVEL avx512
#ifdef GEOPT_X86
#define GEOPT_AVX512  // g++ 12 reads all macros before it heeds the pragma: __AVX512F__ is not set
#pragma GCC target("arch=x86-64-v4,prefer-vector-width=512")
#endif
