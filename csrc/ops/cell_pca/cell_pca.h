// Principal axes of the cell centroids around a cell: the plane that a surface has there.
#pragma once

#include <cstdint>

namespace geopt {

struct CellNeighborhood {
  int64_t shape[3];   // cells of the grid per axis
  int64_t window[3];  // cells per axis that count as neighbours, odd
  bool about_own;     // centre on the cell's own centroid and do not divide by the number of neighbours
};

// points (num_points, 3) float64; those of cell i are rows member_starts[i]:member_starts[i + 1]. coords (num_cells, 4)
// int32 (batch, x, y, z), each once. centers (num_cells, 3) is read only when about_own. For each of rows
// (num_rows) writes the eigenvector of the smallest eigenvalue, the eigenvalues ascending, and the points in the window.
void cell_pca_cpu(
    const double* points, const int64_t* member_starts, const int32_t* coords, int64_t num_cells, const double* centers,
    const CellNeighborhood& neighborhood, const int64_t* rows, int64_t num_rows, float* normals, float* eigenvalues,
    int64_t* num_points_in_window);

}  // namespace geopt
