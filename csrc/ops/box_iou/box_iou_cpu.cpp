#include "ops/box_iou/box_iou.h"

#include <algorithm>
#include <vector>

#include "common/parallel.h"
#include "ops/box_iou/box_iou_kernel.h"

namespace geopt {
namespace {

constexpr int64_t kBlock = 256;  // boxes of b at a time: their columns stay in the first cache

// Rows of boxes of a block that are not out of reach, in order. Returns how many.
int64_t within_reach(const TurnedBox& a, const double* block, int64_t count, int32_t* rows) {
  const double *x = block, *y = block + kBlock, *reach = block + 9 * kBlock;
  int64_t found = 0;
  for (int64_t j = 0; j < count; ++j) {
    rows[found] = static_cast<int32_t>(j);
    found += !out_of_reach(a.x, a.y, a.reach, x[j], y[j], reach[j]);
  }
  return found;
}

using IouWithMany = void (*)(const TurnedBox&, const double*, int64_t, int64_t, double*);

template <class T>
void iou_of_block(
    IouWithMany iou_with_many, const TurnedBox& a, const double* block, int64_t count, double* near, T* iou) {
  int32_t rows[kBlock];
  double found_iou[kBlock];
  const int64_t found = within_reach(a, block, count, rows);
  if (found == count) {
    iou_with_many(a, block, kBlock, count, found_iou);
    for (int64_t j = 0; j < count; ++j) iou[j] = static_cast<T>(found_iou[j]);
    return;
  }
  std::fill(iou, iou + count, T(0));
  for (int64_t c = 0; c < kBoxColumns; ++c)
    for (int64_t k = 0; k < found; ++k) near[c * kBlock + k] = block[c * kBlock + rows[k]];
  iou_with_many(a, near, kBlock, found, found_iou);
  for (int64_t k = 0; k < found; ++k) iou[rows[k]] = static_cast<T>(found_iou[k]);
}

}  // namespace

template <class T>
void box_iou_cpu(
    const T* a, int64_t n, int64_t a_columns, const T* b, int64_t m, int64_t b_columns, bool volume, T* iou) {
  const int64_t num_blocks = (m + kBlock - 1) / kBlock;
  const IouWithMany iou_with_many = GEOPT_LEVEL_IN_USE(iou_with_many);
  std::vector<double> blocks(num_blocks * kBoxColumns * kBlock);
  parallel_for(0, m, 1024, [&](int64_t from, int64_t to) {
    for (int64_t j = from; j < to; ++j) {
      double* at = &blocks[j / kBlock * kBoxColumns * kBlock + j % kBlock];
      put_column(make_turned_box(b + j * b_columns, volume), at, kBlock);
    }
  });
  parallel_for(0, n * num_blocks, 16, [&](int64_t from, int64_t to) {
    std::vector<double> near(kBoxColumns * kBlock);  // those of a block that are not out of reach
    for (int64_t task = from; task < to; ++task) {
      const int64_t i = task / num_blocks, block = task % num_blocks, first = block * kBlock;
      const TurnedBox box = make_turned_box(a + i * a_columns, volume);
      const double* const columns = &blocks[block * kBoxColumns * kBlock];
      iou_of_block(
          iou_with_many, box, columns, std::min(kBlock, m - first), near.data(), iou + i * m + first);
    }
  });
}

template void box_iou_cpu<float>(const float*, int64_t, int64_t, const float*, int64_t, int64_t, bool, float*);
template void box_iou_cpu<double>(const double*, int64_t, int64_t, const double*, int64_t, int64_t, bool, double*);

}  // namespace geopt
