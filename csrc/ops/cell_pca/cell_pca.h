// Principal axes of the cell centroids around a cell: the plane that a surface has there. Every back end finds the cells
// of a window and adds their points up with these functions, in one order: the same bits on host and device.
#pragma once

#include <cstdint>

#include "common/eigh3.h"
#include "common/macros.h"

namespace geopt {

struct CellNeighborhood {
  int64_t shape[3];   // cells of the grid per axis
  int64_t window[3];  // cells per axis that count as neighbours, odd
  bool about_own;     // centre on the cell's own centroid and do not divide by the number of neighbours
};

constexpr int64_t kFreeSlot = -1;  // no cell has this key

struct CellSlot {
  int64_t key, row;
};

// Row of a cell by its key: open addressing, at most half full.
struct CellTable {
  CellSlot* slots;  // all free at first
  uint64_t mask;    // their number, a power of two, less one
  int shift;
};

inline int64_t num_cell_slots(int64_t num_cells) {
  int64_t slots = 16;
  while (slots < 2 * num_cells) slots *= 2;
  return slots;
}

inline CellTable make_cell_table(CellSlot* slots, int64_t num_cells) {
  const int64_t count = num_cell_slots(num_cells);
  int shift = 64;
  while (int64_t{1} << (64 - shift) < count) --shift;
  return {slots, static_cast<uint64_t>(count) - 1, shift};
}

GEOPT_HD int64_t cell_key(const CellNeighborhood& hood, int64_t b, int64_t x, int64_t y, int64_t z) {
  return ((b * hood.shape[0] + x) * hood.shape[1] + y) * hood.shape[2] + z;
}

GEOPT_HD uint64_t first_slot(const CellTable& table, int64_t key) {
  return static_cast<uint64_t>(key) * 0x9E3779B97F4A7C15ull >> table.shift;
}

// Row of the cell with this key, or -1.
GEOPT_HD int64_t find_cell(const CellTable& table, int64_t key) {
  uint64_t i = first_slot(table, key);
  while (table.slots[i].key != key && table.slots[i].key != kFreeSlot) i = (i + 1) & table.mask;
  return table.slots[i].key == key ? table.slots[i].row : -1;
}

// Calls visit(row) for the cells of the window around coords (batch, x, y, z), x outermost.
template <class Visit>
GEOPT_HD void visit_window(
    const CellNeighborhood& hood, const CellTable& table, const int32_t* coords, Visit& visit) {
  int64_t low[3], high[3];
  for (int a = 0; a < 3; ++a) {
    const int64_t half = hood.window[a] / 2, at = coords[1 + a];
    low[a] = at - half < 0 ? 0 : at - half;
    high[a] = at + half >= hood.shape[a] ? hood.shape[a] - 1 : at + half;
  }
  for (int64_t x = low[0]; x <= high[0]; ++x)
    for (int64_t y = low[1]; y <= high[1]; ++y)
      for (int64_t z = low[2], key = cell_key(hood, coords[0], x, y, z); z <= high[2]; ++z, ++key) {
        const int64_t row = find_cell(table, key);
        if (row >= 0) visit(row);
      }
}

struct SumOfPoints {
  double sum[3];
  int64_t count;
  GEOPT_HD_MEMBER void operator()(const double* p) {
    for (int a = 0; a < 3; ++a) sum[a] += p[a];
    ++count;
  }
};

// Sums of products about a centre: xx, xy, xz, yy, yz, zz.
struct ScatterOfPoints {
  double center[3], scatter[6];
  GEOPT_HD_MEMBER void operator()(const double* p) {
    const double x = p[0] - center[0], y = p[1] - center[1], z = p[2] - center[2];
    scatter[0] += x * x, scatter[1] += x * y, scatter[2] += x * z;
    scatter[3] += y * y, scatter[4] += y * z, scatter[5] += z * z;
  }
};

// Fits the points that members.visit(f) hands to f, one after the other. own_center is null for the mean of the points.
// Writes the eigenvector of the smallest eigenvalue, the eigenvalues ascending, and the number of points.
template <class Members>
GEOPT_HD void fit_plane(
    const Members& members, const double* own_center, float* normal, float* eigenvalues, int64_t* num_points) {
  SumOfPoints mean{{0, 0, 0}, 0};
  members.visit(mean);
  const double count = static_cast<double>(mean.count);
  const bool divides = own_center == nullptr && mean.count > 0;
  ScatterOfPoints about{{0, 0, 0}, {0, 0, 0, 0, 0, 0}};
  for (int a = 0; a < 3; ++a) about.center[a] = own_center ? own_center[a] : divides ? mean.sum[a] / count : 0.0;
  members.visit(about);
  double values[3], vectors[3][3];
  if (divides)
    for (int i = 0; i < 6; ++i) about.scatter[i] /= count;
  eigh3(about.scatter, values, vectors);
  for (int a = 0; a < 3; ++a) {
    normal[a] = static_cast<float>(vectors[0][a]);
    eigenvalues[a] = static_cast<float>(values[a] > 0 ? values[a] : 0);  // flat ones come out a little below 0
  }
  *num_points = mean.count;
}

// points (num_points, 3) float64; those of cell i are rows member_starts[i]:member_starts[i + 1]. coords (num_cells, 4)
// int32 (batch, x, y, z), each once. centers (num_cells, 3) is read only when about_own. For each of rows
// (num_rows) writes the eigenvector of the smallest eigenvalue, the eigenvalues ascending, and the points in the window.
void cell_pca_cpu(
    const double* points, const int64_t* member_starts, const int32_t* coords, int64_t num_cells, const double* centers,
    const CellNeighborhood& neighborhood, const int64_t* rows, int64_t num_rows, float* normals, float* eigenvalues,
    int64_t* num_points_in_window);

#ifdef GEOPT_WITH_CUDA
int64_t cell_pca_cuda_workspace(int64_t num_cells);
int cell_pca_cuda(
    const double* points, const int64_t* member_starts, const int32_t* coords, int64_t num_cells, const double* centers,
    const CellNeighborhood& neighborhood, const int64_t* rows, int64_t num_rows, float* normals, float* eigenvalues,
    int64_t* num_points_in_window, void* workspace, int64_t workspace_bytes, void* stream);
#endif

}  // namespace geopt
