// Boxes are made once. Then a thread has one box of b and compares several of a with it, the same for all threads of a
// block: reading boxes would take longer than passing over most pairs. No torch headers: raw pointers and a stream.
#include "common/launch.h"
#include "ops/box_iou/box_iou.h"

namespace geopt {
namespace {

constexpr int kThreads = 128;
constexpr int kRows = 8;  // of a, one after the other

template <class T>
struct Rows {
  const T *a, *b;
  int64_t n, a_columns, m, b_columns;
};

// Boxes of a, then those of b.
template <class T>
__global__ void __launch_bounds__(kThreads) make_boxes(Rows<T> rows, bool volume, TurnedBox* boxes) {
  for (int64_t i = first_thread(); i < rows.n + rows.m; i += num_threads())
    boxes[i] = make_turned_box(
        i < rows.n ? rows.a + i * rows.a_columns : rows.b + (i - rows.n) * rows.b_columns, volume);
}

template <class T>
__global__ void __launch_bounds__(kThreads) iou_of_pairs(
    const TurnedBox* a, int64_t n, const TurnedBox* b, int64_t m, int64_t tiles, int64_t tiles_across, T* iou) {
  for (int64_t tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
    const int64_t down = tile / tiles_across, column = (tile - down * tiles_across) * kThreads + threadIdx.x;
    if (column >= m) continue;
    const TurnedBox other = b[column];
    const int64_t end = kRows * (down + 1) < n ? kRows * (down + 1) : n;
    for (int64_t row = kRows * down; row < end; ++row) {
      const TurnedBox& one = a[row];
      const bool passed_over = out_of_reach(one.x, one.y, one.reach, other.x, other.y, other.reach);
      iou[row * m + column] = passed_over ? T(0) : static_cast<T>(box_iou(one, other));
    }
  }
}

}  // namespace

int64_t box_iou_cuda_workspace(int64_t n, int64_t m) {
  Workspace w(nullptr);
  w.take<TurnedBox>(n + m);
  return w.used();
}

template <class T>
int box_iou_cuda(
    const T* a, int64_t n, int64_t a_columns, const T* b, int64_t m, int64_t b_columns, bool volume, T* iou,
    void* workspace, int64_t workspace_bytes, void* raw_stream) {
  if (n == 0 || m == 0) return cudaSuccess;
  if (box_iou_cuda_workspace(n, m) > workspace_bytes) return cudaErrorInvalidValue;
  const auto stream = static_cast<cudaStream_t>(raw_stream);
  TurnedBox* const boxes = Workspace(workspace).take<TurnedBox>(n + m);
  const Rows<T> rows{a, b, n, a_columns, m, b_columns};
  make_boxes<<<blocks_for(n + m, kThreads), kThreads, 0, stream>>>(rows, volume, boxes);
  const int64_t tiles_across = units_for(m, kThreads), tiles = units_for(n, kRows) * tiles_across;
  iou_of_pairs<<<blocks_for(tiles, 1), kThreads, 0, stream>>>(boxes, n, boxes + n, m, tiles, tiles_across, iou);
  return cudaGetLastError();
}

#define GEOPT_INSTANTIATE(T) \
  template int box_iou_cuda<T>(const T*, int64_t, int64_t, const T*, int64_t, int64_t, bool, T*, void*, int64_t, void*);
GEOPT_INSTANTIATE(float)
GEOPT_INSTANTIATE(double)
#undef GEOPT_INSTANTIATE

}  // namespace geopt
