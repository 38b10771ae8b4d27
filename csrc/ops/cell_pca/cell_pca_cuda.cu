// A hash table of the cells, then one thread fits the window of one row: points must be added in the order of the CPU.
#include "common/launch.h"
#include "ops/cell_pca/cell_pca.h"

namespace geopt {
namespace {

constexpr int kThreads = 128;

__global__ void __launch_bounds__(kThreads) fill_table(
    const int32_t* coords, int64_t num_cells, CellNeighborhood hood, CellTable table) {
  for (int64_t row = first_thread(); row < num_cells; row += num_threads()) {
    const int32_t* c = coords + 4 * row;
    const int64_t key = cell_key(hood, c[0], c[1], c[2], c[3]);
    uint64_t i = first_slot(table, key);
    while (atomicCAS(
               reinterpret_cast<unsigned long long*>(&table.slots[i].key), static_cast<unsigned long long>(kFreeSlot),
               static_cast<unsigned long long>(key)) != static_cast<unsigned long long>(kFreeSlot))
      i = (i + 1) & table.mask;
    table.slots[i].row = row;
  }
}

struct Cells {
  const double* points;
  const int64_t* member_starts;
  const int32_t* coords;
  CellNeighborhood hood;
  CellTable table;
};

template <class Visit>
struct VisitPoints {
  const Cells& cells;
  Visit& of_point;
  __device__ void operator()(int64_t cell) {
    for (int64_t p = cells.member_starts[cell]; p < cells.member_starts[cell + 1]; ++p) of_point(cells.points + 3 * p);
  }
};

// Points of the window around a cell, found anew at each visit: a thread has no room to keep them.
struct Window {
  const Cells& cells;
  int64_t row;

  template <class Visit>
  __device__ void visit(Visit& of_point) const {
    VisitPoints<Visit> of_cell{cells, of_point};
    visit_window(cells.hood, cells.table, cells.coords + 4 * row, of_cell);
  }
};

__global__ void __launch_bounds__(kThreads) fit_windows(
    Cells cells, const double* centers, const int64_t* rows, int64_t num_rows, float* normals, float* eigenvalues,
    int64_t* num_points) {
  for (int64_t r = first_thread(); r < num_rows; r += num_threads())
    fit_plane(
        Window{cells, rows[r]}, cells.hood.about_own ? centers + 3 * rows[r] : nullptr, normals + 3 * r,
        eigenvalues + 3 * r, num_points + r);
}

}  // namespace

int64_t cell_pca_cuda_workspace(int64_t num_cells) {
  Workspace w(nullptr);
  w.take<CellSlot>(num_cell_slots(num_cells));
  return w.used();
}

int cell_pca_cuda(
    const double* points, const int64_t* member_starts, const int32_t* coords, int64_t num_cells, const double* centers,
    const CellNeighborhood& hood, const int64_t* rows, int64_t num_rows, float* normals, float* eigenvalues,
    int64_t* num_points_in_window, void* workspace, int64_t workspace_bytes, void* raw_stream) {
  if (cell_pca_cuda_workspace(num_cells) > workspace_bytes) return cudaErrorInvalidValue;
  const auto stream = static_cast<cudaStream_t>(raw_stream);
  const int64_t num_slots = num_cell_slots(num_cells);
  const CellTable table = make_cell_table(Workspace(workspace).take<CellSlot>(num_slots), num_cells);
  static_assert(kFreeSlot == -1, "all bits of a free slot are set");
  const cudaError_t error = cudaMemsetAsync(table.slots, 0xff, num_slots * sizeof(CellSlot), stream);
  if (error != cudaSuccess) return error;
  fill_table<<<blocks_for(num_cells, kThreads), kThreads, 0, stream>>>(coords, num_cells, hood, table);
  fit_windows<<<blocks_for(num_rows, kThreads), kThreads, 0, stream>>>(
      {points, member_starts, coords, hood, table}, centers, rows, num_rows, normals, eigenvalues,
      num_points_in_window);
  return cudaGetLastError();
}

}  // namespace geopt
