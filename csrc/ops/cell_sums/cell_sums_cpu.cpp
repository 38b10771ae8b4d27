#include "ops/cell_sums/cell_sums.h"

#include <algorithm>
#include <limits>

#include "common/parallel.h"

namespace geopt {

void cell_sums_cpu(
    const float* xyz, const int64_t* order, const int64_t* starts, int64_t num_cells, const double lower[3],
    const int64_t* sweep_rows, int64_t* sums, int64_t* lowest_sweep) {
  constexpr int64_t kAhead = 16;  // points of a cell lie anywhere in the cloud: asked for before they are needed
  const int64_t num_points = starts[num_cells];
  parallel_for(0, num_cells, 2048, [&](int64_t from, int64_t to) {
    for (int64_t cell = from; cell < to; ++cell) {
      int64_t sum[3] = {0, 0, 0};
      int64_t lowest = std::numeric_limits<int64_t>::max();
      for (int64_t i = starts[cell]; i < starts[cell + 1]; ++i) {
        const int64_t ahead = order[std::min(i + kAhead, num_points - 1)];
        __builtin_prefetch(xyz + 3 * ahead);
        if (sweep_rows) __builtin_prefetch(sweep_rows + ahead);
        const float* p = xyz + 3 * order[i];
        for (int a = 0; a < 3; ++a) sum[a] += to_fixed_point(p[a], lower[a]);
        if (sweep_rows) lowest = std::min(lowest, sweep_rows[order[i]]);
      }
      std::copy(sum, sum + 3, sums + 3 * cell);
      if (sweep_rows) lowest_sweep[cell] = lowest;
    }
  });
}

}  // namespace geopt
