#include "ops/points_in_boxes/points_in_boxes.h"

#include <algorithm>
#include <vector>

#include "common/distance.h"
#include "common/parallel.h"

namespace geopt {

void points_in_boxes_cpu(
    const float* xyz, int64_t n, const int64_t* offsets, const double* boxes, int64_t m, const int64_t* box_offsets,
    int64_t num_clouds, int64_t* rows) {
  std::vector<Box> made(m);
  for (int64_t i = 0; i < m; ++i) made[i] = make_box(boxes + 7 * i);
  parallel_for(0, n, 1024, [&](int64_t from, int64_t to) {
    int64_t cloud = std::upper_bound(offsets, offsets + num_clouds + 1, from) - offsets - 1;
    for (int64_t i = from; i < to; ++i) {
      while (i >= offsets[cloud + 1]) ++cloud;
      rows[i] = -1;
      if (!is_finite_point(xyz + 3 * i)) continue;
      for (int64_t b = box_offsets[cloud]; b < box_offsets[cloud + 1]; ++b)
        if (in_box(made[b], xyz + 3 * i)) {
          rows[i] = b;
          break;
        }
    }
  });
}

}  // namespace geopt
