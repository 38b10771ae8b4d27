#include "ops/knn/knn.h"

#include <algorithm>
#include <limits>

#include "common/nearest.h"
#include "common/parallel.h"

namespace geopt {

void knn_cpu(
    const float* query, int64_t n, const int64_t* query_offsets, const float* key, int64_t m,
    const int64_t* key_offsets, int64_t num_clouds, int64_t k, Candidate limit, int64_t* indices, float* distances) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const bool own = query == key && n == m && std::equal(query_offsets, query_offsets + num_clouds + 1, key_offsets);
  const PointTree tree(key, m, key_offsets, num_clouds);
  CurveOrder order;
  if (!own) order = tree.order_of(query, n, query_offsets);
  int64_t num_searched = own ? tree.num_points() : 0;
  for (int64_t c = 0; c < num_clouds && !own; ++c)
    num_searched += tree.cloud(c).num_leaves > 0 ? order.num_finite[c] : 0;
  if (num_searched < n) {  // those left out find nothing
    std::fill(indices, indices + n * k, int64_t{-1});
    std::fill(distances, distances + n * k, kInfinity);
  }
  const auto grouped = [&](const QueryGroup& group, int begin, int end, const Neighborhoods& found) {
    const int64_t first_row = tree.cloud(group.cloud).first_row;
    GEOPT_LEVEL_IN_USE(write_neighbors)(group, found, begin, end, k, first_row, indices, distances);
  };
  const auto single = [&](int64_t row, const Cloud& cloud, Nearest& nearest) {
    const int64_t found = nearest.finish(), out = row * k;
    for (int64_t i = 0; i < found; ++i) {
      indices[out + i] = cloud.first_row + candidate_row(nearest[i]);
      distances[out + i] = candidate_distance(nearest[i]);
    }
    std::fill(indices + out + found, indices + out + k, int64_t{-1});
    std::fill(distances + out + found, distances + out + k, kInfinity);
  };
  // More than a group can hold is searched for one by one; k may exceed what there is by far.
  const int64_t wanted = k <= kLanes ? k : std::max<int64_t>(std::min(k, m), kLanes + 1);
  if (own) {
    parallel_for(0, tree.num_leaves(), 16, [&](int64_t from, int64_t to) {
      NearestSearch(tree, wanted, limit).run_own(from, to, grouped, single);
      GEOPT_LEVEL_IN_USE(end_writing)();
    });
  } else {
    parallel_for(0, n, 256, [&](int64_t from, int64_t to) {
      NearestSearch(tree, wanted, limit).run(query, query_offsets, order, from, to, grouped, single);
      GEOPT_LEVEL_IN_USE(end_writing)();
    });
  }
}

}  // namespace geopt
