#include "common/voxel_key.h"
#include "ops/voxelize/voxelize_kernel.h"

namespace geopt::GEOPT_LEVEL {
namespace {

constexpr int kBlock = 256;  // points whose cells stay in the first cache

// Index along an axis as a row of its table, also for points outside: nothing is read beyond the end of the table.
inline int32_t clamped(float index, float shape) {
  const float least = index > 0.0f ? index : 0.0f;  // NaN becomes 0
  return static_cast<int32_t>(least < shape - 1.0f ? least : shape - 1.0f);
}

}  // namespace

void voxel_words(
    const float* xyz, int64_t count, const WordPlan& plan, uint64_t first_key, uint64_t outside, uint64_t first_row,
    uint64_t* words) {
  const float *lower = plan.lower, *size = plan.size, *shape = plan.shape;
  const uint32_t *parts_x = plan.parts[0], *parts_y = plan.parts[1], *parts_z = plan.parts[2];
  const uint32_t weight_x = shape[0] > 1 ? parts_x[1] : 0, weight_y = shape[1] > 1 ? parts_y[1] : 0;
  const int row_bits = plan.row_bits;
  int32_t cells[3][kBlock], inside[kBlock];
  uint32_t keys[kBlock];
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const float* p = xyz + 3 * begin;
    const int block = static_cast<int>(count - begin < kBlock ? count - begin : kBlock);
#pragma omp simd
    for (int i = 0; i < block; ++i) {
      const float x = axis_index(p[3 * i], lower[0], size[0]);
      const float y = axis_index(p[3 * i + 1], lower[1], size[1]);
      const float z = axis_index(p[3 * i + 2], lower[2], size[2]);
      cells[0][i] = clamped(x, shape[0]);
      cells[1][i] = clamped(y, shape[1]);
      cells[2][i] = clamped(z, shape[2]);
      inside[i] = on_axis(x, shape[0]) & on_axis(y, shape[1]) & on_axis(z, shape[2]);
    }
    if (plan.one_level) {
#pragma omp simd
      for (int i = 0; i < block; ++i) keys[i] = cells[0][i] * weight_x + cells[1][i] * weight_y + cells[2][i];
    } else {
      for (int i = 0; i < block; ++i) keys[i] = parts_x[cells[0][i]] + parts_y[cells[1][i]] + parts_z[cells[2][i]];
    }
#pragma omp simd
    for (int i = 0; i < block; ++i)
      words[begin + i] = (inside[i] ? first_key + keys[i] : outside) << row_bits | (first_row + begin + i);
  }
}

}  // namespace geopt::GEOPT_LEVEL
