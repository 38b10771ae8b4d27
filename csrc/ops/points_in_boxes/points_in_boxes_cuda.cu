// Boxes are made once, then one thread takes one point; the threads of a warp read the same box at the same time.
#include "common/launch.h"
#include "ops/points_in_boxes/points_in_boxes.h"

namespace geopt {
namespace {

constexpr int kThreads = 256;

__global__ void __launch_bounds__(kThreads) make_boxes(const double* boxes, int64_t m, Box* made) {
  for (int64_t i = first_thread(); i < m; i += num_threads()) made[i] = make_box(boxes + 7 * i);
}

__global__ void __launch_bounds__(kThreads) find_boxes(
    const float* xyz, int64_t n, const int64_t* offsets, const Box* boxes, const int64_t* box_offsets,
    int64_t num_clouds, int64_t* rows) {
  for (int64_t i = first_thread(); i < n; i += num_threads()) {
    const int64_t cloud = cloud_of_row(offsets, num_clouds, i);
    rows[i] = first_box_around(boxes, box_offsets[cloud], box_offsets[cloud + 1], xyz + 3 * i);
  }
}

}  // namespace

int64_t points_in_boxes_cuda_workspace(int64_t m) {
  Workspace w(nullptr);
  w.take<Box>(m);
  return w.used();
}

int points_in_boxes_cuda(
    const float* xyz, int64_t n, const int64_t* offsets, const double* boxes, int64_t m, const int64_t* box_offsets,
    int64_t num_clouds, int64_t* rows, void* workspace, int64_t workspace_bytes, void* raw_stream) {
  if (points_in_boxes_cuda_workspace(m) > workspace_bytes) return cudaErrorInvalidValue;
  const auto stream = static_cast<cudaStream_t>(raw_stream);
  Box* const made = Workspace(workspace).take<Box>(m);
  make_boxes<<<blocks_for(m, kThreads), kThreads, 0, stream>>>(boxes, m, made);
  find_boxes<<<blocks_for(n, kThreads), kThreads, 0, stream>>>(xyz, n, offsets, made, box_offsets, num_clouds, rows);
  return cudaGetLastError();
}

}  // namespace geopt
