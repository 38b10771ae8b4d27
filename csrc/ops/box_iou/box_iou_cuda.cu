// Boxes are made once, then one thread takes one pair. No torch headers: raw pointers and a stream.
#include "common/launch.h"
#include "ops/box_iou/box_iou.h"

namespace geopt {
namespace {

constexpr int kThreads = 256;

struct Buffers {
  TurnedBox *a, *b;
  int64_t total;
};

Buffers cut(void* workspace, int64_t n, int64_t m) {
  Buffers buffers{};
  Workspace w(workspace);
  buffers.a = w.take<TurnedBox>(n);
  buffers.b = w.take<TurnedBox>(m);
  buffers.total = w.used();
  return buffers;
}

template <class T>
__global__ void __launch_bounds__(kThreads) make_boxes(const T* rows, int64_t n, int64_t columns, bool volume, TurnedBox* boxes) {
  for (int64_t i = first_thread(); i < n; i += num_threads()) boxes[i] = make_turned_box(rows + i * columns, volume);
}

template <class T>
__global__ void __launch_bounds__(kThreads) iou_of_pairs(const TurnedBox* a, const TurnedBox* b, int64_t num_pairs, int64_t m, T* iou) {
  for (int64_t pair = first_thread(); pair < num_pairs; pair += num_threads()) {
    const int64_t row = pair / m;
    const TurnedBox& one = a[row];
    const TurnedBox& other = b[pair - row * m];
    const bool passed_over = out_of_reach(one.x, one.y, one.reach, other.x, other.y, other.reach);
    iou[pair] = passed_over ? T(0) : static_cast<T>(box_iou(one, other));
  }
}

}  // namespace

int64_t box_iou_cuda_workspace(int64_t n, int64_t m) { return cut(nullptr, n, m).total; }

template <class T>
int box_iou_cuda(
    const T* a, int64_t n, int64_t a_columns, const T* b, int64_t m, int64_t b_columns, bool volume, T* iou,
    void* workspace, int64_t workspace_bytes, void* raw_stream) {
  if (n == 0 || m == 0) return cudaSuccess;
  const auto stream = static_cast<cudaStream_t>(raw_stream);
  const Buffers buffers = cut(workspace, n, m);
  if (buffers.total > workspace_bytes) return cudaErrorInvalidValue;
  make_boxes<<<blocks_for(n, kThreads), kThreads, 0, stream>>>(a, n, a_columns, volume, buffers.a);
  make_boxes<<<blocks_for(m, kThreads), kThreads, 0, stream>>>(b, m, b_columns, volume, buffers.b);
  iou_of_pairs<<<blocks_for(n * m, kThreads), kThreads, 0, stream>>>(buffers.a, buffers.b, n * m, m, iou);
  return cudaGetLastError();
}

#define GEOPT_INSTANTIATE(T) \
  template int box_iou_cuda<T>(const T*, int64_t, int64_t, const T*, int64_t, int64_t, bool, T*, void*, int64_t, void*);
GEOPT_INSTANTIATE(float)
GEOPT_INSTANTIATE(double)
#undef GEOPT_INSTANTIATE

}  // namespace geopt
