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
    parallel_blocks(tree.num_leaves(), 64, [&](int64_t from, int64_t to) {
      NearestSearch(tree, wanted, limit).run_own(from, to, grouped, single);
      GEOPT_LEVEL_IN_USE(end_writing)();
    });
  } else {
    parallel_blocks(n, 1024, [&](int64_t from, int64_t to) {
      NearestSearch(tree, wanted, limit).run(query, query_offsets, order, from, to, grouped, single);
      GEOPT_LEVEL_IN_USE(end_writing)();
    });
  }
}

void knn_backward_cpu(
    const float* query, int64_t n, const float* key, int64_t m, const int64_t* indices, int64_t k, const float* grad,
    float* to_query, float* to_key) {
  // 0 where there is no neighbour: 0 times the NaN of a point left out would be NaN.
  const auto step = [&](int64_t entry, int64_t i, int a) {
    const float difference = query[3 * i + a] - key[3 * indices[entry] + a];
    return 2.0f * grad[entry] * difference;
  };
  parallel_for(0, n, 4096, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) {
      float sum[3] = {0, 0, 0};
      for (int64_t entry = i * k; entry < (i + 1) * k; ++entry)
        for (int a = 0; a < 3 && indices[entry] >= 0; ++a) sum[a] += step(entry, i, a);
      for (int a = 0; a < 3; ++a) to_query[3 * i + a] = sum[a];
    }
  });
  std::fill(to_key, to_key + 3 * m, 0.0f);
  for (int64_t i = 0; i < n; ++i)  // in one order, with any number of threads
    for (int64_t entry = i * k; entry < (i + 1) * k; ++entry)
      for (int a = 0; a < 3 && indices[entry] >= 0; ++a) to_key[3 * indices[entry] + a] -= step(entry, i, a);
}

}  // namespace geopt
