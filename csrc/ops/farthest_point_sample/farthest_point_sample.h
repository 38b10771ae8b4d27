// Farthest point sampling, exactly: each pick is the point farthest from all picks before it, in float32 as distance.h
// computes it, ties to the lower row, no row twice.
#pragma once

#include <cstdint>

#include "common/distance.h"
#include "common/macros.h"

namespace geopt {

// Squared distance of a point to the nearest pick, after a pick that lies (dx, dy, dz) from it; -1 once it is picked.
GEOPT_HD float nearest_after_pick(float nearest, bool is_pick, float dx, float dy, float dz) {
  const float distance = squared_length(dx, dy, dz);
  const float nearer = distance < nearest ? distance : nearest;
  return is_pick ? -1.0f : nearer;
}

// Squared distance between p and a box, 0 inside, and never more than that of a point of the box as computed.
GEOPT_HD float squared_gap(float x, float y, float z, const float lower[3], const float upper[3]) {
  return squared_length(
      axis_gap(x, x, lower[0], upper[0]), axis_gap(y, y, lower[1], upper[1]), axis_gap(z, z, lower[2], upper[2]));
}

constexpr int kSampleKeyBits = 30;  // of a point in its cloud, a third of them for each axis
constexpr uint32_t kNoSampleKey = (1u << kSampleKeyBits) - 1;  // of points with a NaN or an infinity; no cell has it

// Bits of x, fewer than 11, spread to every third place.
GEOPT_HD uint32_t every_third(uint32_t x) {
  x = (x | x << 16) & 0x030000ff;
  x = (x | x << 8) & 0x0300f00f;
  x = (x | x << 4) & 0x030c30c3;
  return (x | x << 2) & 0x09249249;
}

// Place along a Morton curve through 1023 cells along each axis from bounds[a] to bounds[3 + a]; what lies outside
// counts as the outermost cells. Which points share a block follows from it, and never which point is picked.
GEOPT_HD uint32_t sample_key(const float* p, const float* bounds) {
  if (!is_finite_point(p)) return kNoSampleKey;
  uint32_t key = 0;
  for (int a = 0; a < 3; ++a) {
    const float extent = bounds[3 + a] - bounds[a];
    const float cell = extent > 0.0f ? (p[a] - bounds[a]) / extent * 1023.0f : 0.0f;
    key = key << 1 | every_third(cell > 0.0f ? cell < 1022.0f ? static_cast<uint32_t>(cell) : 1022u : 0u);
  }
  return key;
}

// Whether a pick at p may change a point of the box, of which the farthest lies at this squared distance from all picks
// before. "<=": the picked point itself lies at distance 0 of its box, and must be taken out.
GEOPT_HD bool pick_concerns(const float lower[3], const float upper[3], const float p[3], float farthest) {
  return squared_gap(p[0], p[1], p[2], lower, upper) <= farthest;
}

// xyz (offsets[num_clouds], 3), offsets (num_clouds + 1), clouds of fewer than 2**32 - 1 rows. The first pick of a cloud
// is row `start` of it, or the next finite row after it, beginning again at row 0. Writes picks (num_clouds, num_samples)
// rows of xyz. Returns the first cloud with fewer finite points than num_samples, or -1 when all went well.
int64_t farthest_point_sample_cpu(
    const float* xyz, const int64_t* offsets, int64_t num_clouds, int64_t num_samples, int64_t start, int64_t* picks);

#ifdef GEOPT_WITH_CUDA
int64_t farthest_point_sample_cuda_workspace(int64_t n, int64_t num_clouds);
// Where a cloud has too few finite points its last picks become -1.
int farthest_point_sample_cuda(
    const float* xyz, int64_t n, const int64_t* offsets, int64_t num_clouds, int64_t num_samples, int64_t start,
    int64_t* picks, void* workspace, int64_t workspace_bytes, void* stream);
#endif

}  // namespace geopt
