// Exact sums of the points of each cell, in fixed point: integers add to the same total in any order, so a cell's
// centroid does not depend on the order of the points, the number of threads or the device.
#pragma once

#include <math.h>

#include <cstdint>

#include "common/macros.h"

namespace geopt {

constexpr double kFixedPointPerMetre = 16777216.0;  // 2^24: 0.06 micrometres, 2^29 points of 1 km fit in int64

GEOPT_HD int64_t to_fixed_point(float p, double lower) {
  return static_cast<int64_t>(llrint((static_cast<double>(p) - lower) * kFixedPointPerMetre));
}

// xyz (n, 3); the points of cell i are order[starts[i]:starts[i + 1]]. Writes sums (num_cells, 3) of p - lower in fixed
// point and, if sweep_rows (n) is given, the lowest sweep row of each cell.
void cell_sums_cpu(
    const float* xyz, const int64_t* order, const int64_t* starts, int64_t num_cells, const double lower[3],
    const int64_t* sweep_rows, int64_t* sums, int64_t* lowest_sweep);

#ifdef GEOPT_WITH_CUDA
int cell_sums_cuda(
    const float* xyz, const int64_t* order, const int64_t* starts, int64_t num_cells, const double lower[3],
    const int64_t* sweep_rows, int64_t* sums, int64_t* lowest_sweep, void* stream);
#endif

}  // namespace geopt
