#include "ops/box_iou/box_iou.h"

#include <algorithm>
#include <vector>

#include "common/parallel.h"

namespace geopt {
namespace {

constexpr int64_t kBlock = 256;  // boxes of b at a time: their columns stay in the first cache

// One array for each number of many boxes, so that loops over boxes become vector instructions.
struct Columns {
  const double *x, *y, *z, *half_length, *half_width, *half_height, *cosine, *sine, *measure, *reach;

  static constexpr int64_t kCount = 10;
  Columns(const double* at, int64_t size)
      : x(at), y(at + size), z(at + 2 * size), half_length(at + 3 * size), half_width(at + 4 * size),
        half_height(at + 5 * size), cosine(at + 6 * size), sine(at + 7 * size), measure(at + 8 * size),
        reach(at + 9 * size) {}

  TurnedBox box(int64_t i) const {
    return {x[i], y[i], z[i], half_length[i], half_width[i], half_height[i], cosine[i], sine[i], measure[i], reach[i]};
  }
};

void put(const TurnedBox& box, double* at, int64_t size) {
  const double values[] = {box.x, box.y, box.z, box.half_length, box.half_width, box.half_height, box.cosine, box.sine,
                           box.measure, box.reach};
  for (int64_t c = 0; c < Columns::kCount; ++c) at[c * size] = values[c];
}

template <class T>
void iou_of_many(const TurnedBox& a, const Columns& b, int64_t count, T* iou) {
#pragma omp simd
  for (int64_t j = 0; j < count; ++j) iou[j] = static_cast<T>(box_iou(a, b.box(j)));
}

// Rows of boxes that are not out of reach, in order. Returns how many.
int64_t within_reach(const TurnedBox& a, const Columns& b, int64_t count, int32_t* rows) {
  int64_t found = 0;
  for (int64_t j = 0; j < count; ++j) {
    rows[found] = static_cast<int32_t>(j);
    found += !out_of_reach(a.x, a.y, a.reach, b.x[j], b.y[j], b.reach[j]);
  }
  return found;
}

template <class T>
void iou_of_block(const TurnedBox& a, const double* block, int64_t count, T* iou) {
  const Columns b(block, kBlock);
  int32_t rows[kBlock];
  const int64_t found = within_reach(a, b, count, rows);
  if (found == count) return iou_of_many(a, b, count, iou);
  std::fill(iou, iou + count, T(0));
  double near[Columns::kCount * kBlock];
  T near_iou[kBlock];
  for (int64_t c = 0; c < Columns::kCount; ++c)
    for (int64_t k = 0; k < found; ++k) near[c * kBlock + k] = block[c * kBlock + rows[k]];
  iou_of_many(a, Columns(near, kBlock), found, near_iou);
  for (int64_t k = 0; k < found; ++k) iou[rows[k]] = near_iou[k];
}

}  // namespace

template <class T>
void box_iou_cpu(
    const T* a, int64_t n, int64_t a_columns, const T* b, int64_t m, int64_t b_columns, bool volume, T* iou) {
  const int64_t num_blocks = (m + kBlock - 1) / kBlock;
  std::vector<double> blocks(num_blocks * Columns::kCount * kBlock);
  parallel_for(0, m, 1024, [&](int64_t from, int64_t to) {
    for (int64_t j = from; j < to; ++j) {
      double* at = &blocks[j / kBlock * Columns::kCount * kBlock + j % kBlock];
      put(make_turned_box(b + j * b_columns, volume), at, kBlock);
    }
  });
  parallel_for(0, n * num_blocks, 16, [&](int64_t from, int64_t to) {
    for (int64_t task = from; task < to; ++task) {
      const int64_t i = task / num_blocks, block = task % num_blocks, first = block * kBlock;
      const TurnedBox box = make_turned_box(a + i * a_columns, volume);
      iou_of_block(box, &blocks[block * Columns::kCount * kBlock], std::min(kBlock, m - first), iou + i * m + first);
    }
  });
}

template void box_iou_cpu<float>(const float*, int64_t, int64_t, const float*, int64_t, int64_t, bool, float*);
template void box_iou_cpu<double>(const double*, int64_t, int64_t, const double*, int64_t, int64_t, bool, double*);

}  // namespace geopt
