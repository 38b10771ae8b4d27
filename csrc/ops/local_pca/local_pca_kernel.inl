#include "common/vec.h"
#include "ops/local_pca/local_pca.h"
#include "ops/local_pca/local_pca_kernel.h"

namespace geopt::GEOPT_LEVEL {
namespace {

// Half as many doubles as floats fit into a vector.
constexpr int kDoubles = kWidth / 2;
typedef float Few __attribute__((vector_size(4 * kDoubles)));
typedef double Doubles __attribute__((vector_size(8 * kDoubles)));

GEOPT_INLINE Doubles load_doubles(const float* from) {
  Few v;
  __builtin_memcpy(&v, from, sizeof v);
  return __builtin_convertvector(v, Doubles);
}

// Moments of the k neighbours of queries c, c + 1, ... about their mean. Twice centred: about the query first, which is
// exact enough 100 km away, then about the mean. In order of distance, so that sums do not depend on the search.
GEOPT_INLINE void sum_moments(
    const QueryGroup& group, const Neighborhoods& around, int k, int c, double moments[6][kLanes]) {
  Doubles own[3], mean[3] = {};
  for (int a = 0; a < 3; ++a) own[a] = load_doubles(group.xyz[a] + c);
  for (int i = 0; i < k; ++i)
    for (int a = 0; a < 3; ++a) mean[a] += load_doubles(around.xyz[a][i] + c) - own[a];
  for (int a = 0; a < 3; ++a) mean[a] /= static_cast<double>(k);
  Doubles sums[6] = {};
  for (int i = 0; i < k; ++i) {
    const Doubles x = load_doubles(around.xyz[0][i] + c) - own[0] - mean[0];
    const Doubles y = load_doubles(around.xyz[1][i] + c) - own[1] - mean[1];
    const Doubles z = load_doubles(around.xyz[2][i] + c) - own[2] - mean[2];
    sums[0] += x * x, sums[1] += x * y, sums[2] += x * z, sums[3] += y * y, sums[4] += y * z, sums[5] += z * z;
  }
  for (int i = 0; i < 6; ++i) __builtin_memcpy(moments[i] + c, &sums[i], sizeof sums[i]);
}

}  // namespace

void fit_planes(const QueryGroup& group, const Neighborhoods& around, int k, Planes& planes) {
  alignas(64) double moments[6][kLanes];
  for (int c = 0; c < kLanes; c += kDoubles) sum_moments(group, around, k, c, moments);
#pragma omp simd
  for (int q = 0; q < kLanes; ++q) {
    const PlaneFit fit = fit_plane(
        {moments[0][q], moments[1][q], moments[2][q], moments[3][q], moments[4][q], moments[5][q]}, k);
    planes.normal[0][q] = fit.x, planes.normal[1][q] = fit.y, planes.normal[2][q] = fit.z;
    planes.eigenvalues[0][q] = fit.low, planes.eigenvalues[1][q] = fit.middle, planes.eigenvalues[2][q] = fit.high;
  }
}

}  // namespace geopt::GEOPT_LEVEL
