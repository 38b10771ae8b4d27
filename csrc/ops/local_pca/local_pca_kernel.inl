#include "common/vec.h"
#include "ops/local_pca/local_pca.h"
#include "ops/local_pca/local_pca_kernel.h"

namespace geopt::GEOPT_LEVEL {
namespace {

// Half as many doubles as floats fit into a vector.
constexpr int kDoubles = kWidth / 2;
typedef double Doubles __attribute__((vector_size(8 * kDoubles)));

// Of a plain conversion of more than two, GCC 12 makes halves and joins them.
GEOPT_INLINE Doubles load_doubles(const float* from) {
#if defined(GEOPT_AVX512)
  return (Doubles)_mm512_cvtps_pd(_mm256_loadu_ps(from));
#elif defined(GEOPT_AVX2)
  return (Doubles)_mm256_cvtps_pd(_mm_loadu_ps(from));
#else
  typedef float Few __attribute__((vector_size(4 * kDoubles)));
  Few v;
  __builtin_memcpy(&v, from, sizeof v);
  return __builtin_convertvector(v, Doubles);
#endif
}

// Moments of the k neighbours of queries c, c + 1, ... about their mean, as plane_around sums them.
GEOPT_INLINE void sum_moments(const Neighborhoods& around, int k, int c, double moments[6][kLanes]) {
  Doubles mean[3] = {};
  for (int i = 0; i < k; ++i)
    for (int a = 0; a < 3; ++a) mean[a] += load_doubles(around.xyz[a][i] + c);
  for (int a = 0; a < 3; ++a) mean[a] /= static_cast<double>(k);
  Doubles sums[6] = {};
  for (int i = 0; i < k; ++i) {
    const Doubles x = load_doubles(around.xyz[0][i] + c) - mean[0];
    const Doubles y = load_doubles(around.xyz[1][i] + c) - mean[1];
    const Doubles z = load_doubles(around.xyz[2][i] + c) - mean[2];
    sums[0] += x * x, sums[1] += x * y, sums[2] += x * z, sums[3] += y * y, sums[4] += y * z, sums[5] += z * z;
  }
  for (int i = 0; i < 6; ++i) __builtin_memcpy(moments[i] + c, &sums[i], sizeof sums[i]);
}

}  // namespace

void fit_planes(const Neighborhoods& around, int k, Planes& planes) {
  alignas(64) double moments[6][kLanes];
  for (int c = 0; c < kLanes; c += kDoubles) sum_moments(around, k, c, moments);
#pragma omp simd
  for (int q = 0; q < kLanes; ++q) {
    const PlaneFit fit = fit_plane(
        {moments[0][q], moments[1][q], moments[2][q], moments[3][q], moments[4][q], moments[5][q]}, k);
    planes.normal[0][q] = fit.x, planes.normal[1][q] = fit.y, planes.normal[2][q] = fit.z;
    planes.eigenvalues[0][q] = fit.low, planes.eigenvalues[1][q] = fit.middle, planes.eigenvalues[2][q] = fit.high;
  }
}

}  // namespace geopt::GEOPT_LEVEL
