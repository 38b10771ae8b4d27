#include "ops/cell_pca/cell_pca.h"

#include <vector>

#include "common/eigh3.h"
#include "common/parallel.h"

namespace geopt {
namespace {

// Row of a cell by its coordinates: open addressing, at most half full.
class CellTable {
 public:
  CellTable(const int32_t* coords, int64_t num_cells, const int64_t shape[3]) : shape_{shape[0], shape[1], shape[2]} {
    int bits = 4;
    while ((int64_t{1} << bits) < 2 * num_cells) ++bits;
    shift_ = 64 - bits;
    mask_ = (uint64_t{1} << bits) - 1;
    slots_.assign(size_t{1} << bits, Slot{-1, -1});
    for (int64_t row = 0; row < num_cells; ++row) {
      const int32_t* c = coords + 4 * row;
      const int64_t key = this->key(c[0], c[1], c[2], c[3]);
      uint64_t i = hash(key);
      while (slots_[i].row >= 0) i = (i + 1) & mask_;
      slots_[i] = {key, row};
    }
  }

  int64_t key(int64_t b, int64_t x, int64_t y, int64_t z) const {
    return ((b * shape_[0] + x) * shape_[1] + y) * shape_[2] + z;
  }

  int64_t find(int64_t key) const {
    uint64_t i = hash(key);
    while (slots_[i].row >= 0 && slots_[i].key != key) i = (i + 1) & mask_;
    return slots_[i].row;
  }

 private:
  struct Slot {
    int64_t key, row;
  };
  uint64_t hash(int64_t key) const { return static_cast<uint64_t>(key) * 0x9E3779B97F4A7C15ull >> shift_; }

  int64_t shape_[3];
  int shift_;
  uint64_t mask_;
  std::vector<Slot> slots_;
};

}  // namespace

void cell_pca_cpu(
    const double* points, const int64_t* member_starts, const int32_t* coords, int64_t num_cells, const double* centers,
    const CellNeighborhood& hood, const int64_t* rows, int64_t num_rows, float* normals, float* eigenvalues,
    int64_t* num_points_in_window) {
  const CellTable table(coords, num_cells, hood.shape);
  parallel_for(0, num_rows, 256, [&](int64_t from, int64_t to) {
    std::vector<const double*> members;
    for (int64_t r = from; r < to; ++r) {
      const int32_t* c = coords + 4 * rows[r];
      int64_t low[3], high[3];
      for (int a = 0; a < 3; ++a) {
        const int64_t half = hood.window[a] / 2;
        low[a] = c[1 + a] - half < 0 ? 0 : c[1 + a] - half;
        high[a] = c[1 + a] + half >= hood.shape[a] ? hood.shape[a] - 1 : c[1 + a] + half;
      }
      members.clear();
      for (int64_t x = low[0]; x <= high[0]; ++x)
        for (int64_t y = low[1]; y <= high[1]; ++y)
          for (int64_t z = low[2], key = table.key(c[0], x, y, z); z <= high[2]; ++z, ++key) {
            const int64_t cell = table.find(key);
            if (cell < 0) continue;
            for (int64_t p = member_starts[cell]; p < member_starts[cell + 1]; ++p) members.push_back(points + 3 * p);
          }
      const double count = static_cast<double>(members.size());
      double center[3] = {0, 0, 0};
      if (hood.about_own) {
        for (int a = 0; a < 3; ++a) center[a] = centers[3 * rows[r] + a];
      } else if (!members.empty()) {
        for (const double* p : members)
          for (int a = 0; a < 3; ++a) center[a] += p[a];
        for (int a = 0; a < 3; ++a) center[a] /= count;
      }
      double covariance[6] = {0, 0, 0, 0, 0, 0};
      for (const double* p : members) {
        const double x = p[0] - center[0], y = p[1] - center[1], z = p[2] - center[2];
        covariance[0] += x * x, covariance[1] += x * y, covariance[2] += x * z;
        covariance[3] += y * y, covariance[4] += y * z, covariance[5] += z * z;
      }
      if (!hood.about_own && !members.empty())
        for (double& value : covariance) value /= count;
      double values[3], vectors[3][3];
      eigh3(covariance, values, vectors);
      for (int a = 0; a < 3; ++a) {
        normals[3 * r + a] = static_cast<float>(vectors[0][a]);
        // Rounding leaves tiny negative eigenvalues on flat neighbourhoods.
        eigenvalues[3 * r + a] = static_cast<float>(values[a] > 0 ? values[a] : 0);
      }
      num_points_in_window[r] = static_cast<int64_t>(members.size());
    }
  });
}

}  // namespace geopt
