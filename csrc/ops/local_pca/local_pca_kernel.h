#pragma once

#include "common/nearest16.h"
#include "common/simd.h"

namespace geopt {

// Planes through the neighbours of 16 queries, k each. Results of queries past the group's count mean nothing.
struct alignas(64) Planes {
  float normal[3][kLanes], eigenvalues[3][kLanes];
};

GEOPT_DECLARE_LEVELS(void fit_planes(const Neighborhoods& around, int k, Planes& planes))

}  // namespace geopt
