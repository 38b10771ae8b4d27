#include "common/curve.h"
#include "common/distance.h"

namespace geopt::GEOPT_LEVEL {
namespace {

// Bits of x, fewer than 11, spread to every third place.
inline uint32_t spread(uint32_t x) {
  x = (x | x << 16) & 0x030000ff;
  x = (x | x << 8) & 0x0300f00f;
  x = (x | x << 4) & 0x030c30c3;
  return (x | x << 2) & 0x09249249;
}

inline uint32_t cell_of(float p, float lower, float cells_per_metre) {
  constexpr float kLast = (1 << kCurveBits / 3) - 2;  // one less than there are, so that no key is kOffCurve
  const float cell = (p - lower) * cells_per_metre;
  const float least = cell > 0.0f ? cell : 0.0f;  // NaN becomes 0
  return static_cast<uint32_t>(static_cast<int32_t>(least < kLast ? least : kLast));
}

}  // namespace

void curve_words(const float* xyz, int64_t n, const Curve& curve, uint64_t* words) {
  const float *lower = curve.lower, cells_per_metre = curve.cells_per_metre;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const float x = xyz[3 * i], y = xyz[3 * i + 1], z = xyz[3 * i + 2];
    const uint32_t key = spread(cell_of(x, lower[0], cells_per_metre)) << 2 |
                         spread(cell_of(y, lower[1], cells_per_metre)) << 1 |
                         spread(cell_of(z, lower[2], cells_per_metre));
    const bool finite = x - x + (y - y) + (z - z) == 0.0f;
    words[i] = (finite ? key : kOffCurve) << 32 | static_cast<uint64_t>(i);
  }
}

}  // namespace geopt::GEOPT_LEVEL
