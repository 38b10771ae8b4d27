#include "common/curve.h"

#include <algorithm>
#include <vector>

#include "common/distance.h"

namespace geopt {

Curve place_curve(const float* xyz, int64_t n) {
  constexpr int64_t kSamples = 1024;
  Curve curve{};
  std::vector<float> sample;
  double extent = 0.0;
  const int64_t wanted = std::min(n, kSamples);
  for (int a = 0; a < 3; ++a) {
    sample.clear();
    for (int64_t s = 0; s < wanted; ++s) {
      const float* p = xyz + 3 * (n * s / wanted);
      if (is_finite_point(p)) sample.push_back(p[a]);
    }
    if (sample.empty()) continue;
    const auto [least, most] = std::minmax_element(sample.begin(), sample.end());
    const double front = *least, back = *most;
    const auto cut = static_cast<int64_t>(sample.size() / 100);
    const auto first = sample.begin() + cut, last = sample.end() - 1 - cut;
    std::nth_element(sample.begin(), first, sample.end());
    const double low = *first;
    std::nth_element(sample.begin(), last, sample.end());
    const double high = *last, margin = (high - low) / 4;
    const double lower = std::max(low - margin, front);
    curve.lower[a] = static_cast<float>(lower);
    extent = std::max(extent, std::min(high + margin, back) - lower);
  }
  // Cells are cubes, so that blocks of points are compact.
  constexpr double kCells = (1 << kCurveBits / 3) - 1;
  curve.cells_per_metre = extent > 1e-30 ? static_cast<float>(kCells / extent) : 0.0f;
  return curve;
}

}  // namespace geopt
