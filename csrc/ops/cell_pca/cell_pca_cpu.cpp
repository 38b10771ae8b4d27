#include "ops/cell_pca/cell_pca.h"

#include <vector>

#include "common/parallel.h"

namespace geopt {
namespace {

// Points of a window, kept: finding them twice would cost more than reading them twice.
struct Kept {
  std::vector<const double*> points;

  template <class Visit>
  void visit(Visit& visit) const {
    for (const double* p : points) visit(p);
  }
};

}  // namespace

void cell_pca_cpu(
    const double* points, const int64_t* member_starts, const int32_t* coords, int64_t num_cells, const double* centers,
    const CellNeighborhood& hood, const int64_t* rows, int64_t num_rows, float* normals, float* eigenvalues,
    int64_t* num_points_in_window) {
  std::vector<CellSlot> slots(num_cell_slots(num_cells), CellSlot{kFreeSlot, -1});
  const CellTable table = make_cell_table(slots.data(), num_cells);
  for (int64_t row = 0; row < num_cells; ++row) {
    const int32_t* c = coords + 4 * row;
    const int64_t key = cell_key(hood, c[0], c[1], c[2], c[3]);
    uint64_t i = first_slot(table, key);
    while (slots[i].key != kFreeSlot) i = (i + 1) & table.mask;
    slots[i] = {key, row};
  }
  parallel_for(0, num_rows, 256, [&](int64_t from, int64_t to) {
    Kept kept;
    const auto keep = [&](int64_t cell) {
      for (int64_t p = member_starts[cell]; p < member_starts[cell + 1]; ++p) kept.points.push_back(points + 3 * p);
    };
    for (int64_t r = from; r < to; ++r) {
      kept.points.clear();
      visit_window(hood, table, coords + 4 * rows[r], keep);
      fit_plane(
          kept, hood.about_own ? centers + 3 * rows[r] : nullptr, normals + 3 * r, eigenvalues + 3 * r,
          num_points_in_window + r);
    }
  });
}

}  // namespace geopt
