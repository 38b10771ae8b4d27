// Principal axes of the k nearest neighbours of each point: the plane a surface has there.
#pragma once

#include <cstdint>

#include "common/eigh3.h"

namespace geopt {

// Neighbours that lie on a line to this part of its length squared leave the plane through it undetermined.
constexpr double kLineRatio = 1e-12;

struct PlaneFit {
  float normal[3];       // unit, largest component positive (ties: the first axis); 0 where undetermined
  float eigenvalues[3];  // ascending, not below 0
};

// sums of n points: moments of p - mean in the order xx, xy, xz, yy, yz, zz, not divided by n.
GEOPT_HD PlaneFit fit_plane(const double moments[6], int64_t n) {
  PlaneFit fit{};
  if (n == 0) return fit;
  double covariance[6], values[3], vectors[3][3];
  for (int i = 0; i < 6; ++i) covariance[i] = moments[i] / static_cast<double>(n);
  eigh3(covariance, values, vectors);
  for (int a = 0; a < 3; ++a) fit.eigenvalues[a] = static_cast<float>(values[a] > 0.0 ? values[a] : 0.0);
  if (n < 3 || !(values[1] > kLineRatio * values[2])) return fit;
  int largest = 0;
  for (int a = 0; a < 3; ++a) {
    fit.normal[a] = static_cast<float>(vectors[0][a]);
    if (fabsf(fit.normal[a]) > fabsf(fit.normal[largest])) largest = a;
  }
  if (fit.normal[largest] < 0.0f)
    for (int a = 0; a < 3; ++a) fit.normal[a] = 0.0f - fit.normal[a];  // not "-x", which makes -0 of 0
  return fit;
}

// xyz (n, 3), offsets (num_clouds + 1). Writes normals (n, 3), eigenvalues (n, 3) and num_neighbors (n), the point
// itself counted; a point that is not finite has none.
void local_pca_cpu(
    const float* xyz, int64_t n, const int64_t* offsets, int64_t num_clouds, int64_t k, float* normals,
    float* eigenvalues, int64_t* num_neighbors);

}  // namespace geopt
