// First line of <op>_base.cpp: see simd.h.
#pragma once

#define GEOPT_LEVEL base
