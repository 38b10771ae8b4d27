// Principal axes of the k nearest neighbours of each point: the plane a surface has there.
#pragma once

#include <cstdint>

#include "common/candidate.h"
#include "common/principal_axes.h"

namespace geopt {

// Neighbours that lie on a line to this part of its length squared leave the plane through it undetermined.
constexpr double kLineRatio = 1e-12;

// What double sums leave of an eigenvalue that is 0, as a part of the largest.
constexpr double kRounding = 1e-15;

// Unit normal whose largest component is positive (ties: the first axis), 0 where undetermined; eigenvalues ascend and
// are not below 0.
struct PlaneFit {
  float x, y, z, low, middle, high;
};

// Sums over n > 0 points of the products of p - mean, not divided by n. No branches, loops or arrays, so that a loop
// over it becomes vector instructions.
GEOPT_HD PlaneFit fit_plane(const Symmetric3& sums, double n) {
  const double part = 1.0 / n;
  const PrincipalAxes axes =
      principal_axes({sums.xx * part, sums.xy * part, sums.xz * part, sums.yy * part, sums.yz * part, sums.zz * part});
  const double nothing = kRounding * axes.high;
  const float x = static_cast<float>(axes.x), y = static_cast<float>(axes.y), z = static_cast<float>(axes.z);
  const float of_two = fabsf(y) > fabsf(x) ? y : x, largest = fabsf(z) > fabsf(of_two) ? z : of_two;
  const float sign = largest < 0.0f ? -1.0f : 1.0f;
  const float turn = n >= 3.0 && axes.middle > kLineRatio * axes.high ? sign : 0.0f;
  PlaneFit fit;
  fit.x = x * turn + 0.0f;  // "+ 0", for -0 is not to be seen
  fit.y = y * turn + 0.0f;
  fit.z = z * turn + 0.0f;
  fit.low = static_cast<float>(axes.low > nothing ? axes.low : 0.0);
  fit.middle = static_cast<float>(axes.middle > nothing ? axes.middle : 0.0);
  fit.high = static_cast<float>(axes.high > 0.0 ? axes.high : 0.0);
  return fit;
}

// The plane through the `found` > 0 neighbours of a point, of which point_of(i) is the i-th. Sums of coordinates are
// exact in double, so products are taken about the mean itself. In order of distance: they do not depend on the search.
template <class PointOf>
GEOPT_HD PlaneFit plane_around(int64_t found, const PointOf& point_of) {
  double x = 0.0, y = 0.0, z = 0.0;
  for (int64_t i = 0; i < found; ++i) {
    const float* p = point_of(i);
    x += p[0], y += p[1], z += p[2];
  }
  x /= static_cast<double>(found), y /= static_cast<double>(found), z /= static_cast<double>(found);
  Symmetric3 sums{};
  for (int64_t i = 0; i < found; ++i) {
    const float* p = point_of(i);
    const double dx = p[0] - x, dy = p[1] - y, dz = p[2] - z;
    sums.xx += dx * dx, sums.xy += dx * dy, sums.xz += dx * dz;
    sums.yy += dy * dy, sums.yz += dy * dz, sums.zz += dz * dz;
  }
  return fit_plane(sums, static_cast<double>(found));
}

// xyz (n, 3), offsets (num_clouds + 1). Writes normals (n, 3), eigenvalues (n, 3) and num_neighbors (n), the point
// itself counted; a point that is not finite has none.
void local_pca_cpu(
    const float* xyz, int64_t n, const int64_t* offsets, int64_t num_clouds, int64_t k, float* normals,
    float* eigenvalues, int64_t* num_neighbors);

#ifdef GEOPT_WITH_CUDA
// Bytes of workspace, and the same on a stream; fewer than 2^32 - 1 rows. Returns a cudaError_t. Nothing is read back.
int64_t local_pca_cuda_workspace(int64_t n, int64_t num_clouds, int64_t k);
int local_pca_cuda(
    const float* xyz, int64_t n, const int64_t* offsets, int64_t num_clouds, int64_t k, void* workspace,
    int64_t workspace_bytes, float* normals, float* eigenvalues, int64_t* num_neighbors, void* stream);
#endif

// What local_pca_cuda computes, by the same functions on the host: for tests.
void local_pca_emulated(
    const float* xyz, int64_t n, const int64_t* offsets, int64_t num_clouds, int64_t k, float* normals,
    float* eigenvalues, int64_t* num_neighbors);

}  // namespace geopt
