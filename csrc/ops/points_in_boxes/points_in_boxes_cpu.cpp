#include "ops/points_in_boxes/points_in_boxes.h"

#include <algorithm>
#include <vector>

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
      rows[i] = first_box_around(made.data(), box_offsets[cloud], box_offsets[cloud + 1], xyz + 3 * i);
    }
  });
}

}  // namespace geopt
