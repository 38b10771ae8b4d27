#include "ops/knn/knn.h"

#include <algorithm>
#include <limits>

#include "common/nearest.h"
#include "common/parallel.h"

namespace geopt {

void knn_cpu(
    const float* query, int64_t n, const int64_t* query_offsets, const float* key, int64_t m,
    const int64_t* key_offsets, int64_t num_clouds, int64_t k, Candidate limit, int64_t* indices, float* distances) {
  parallel_for(0, n * k, 65536, [&](int64_t from, int64_t to) {
    std::fill(indices + from, indices + to, int64_t{-1});
    std::fill(distances + from, distances + to, std::numeric_limits<float>::infinity());
  });
  const PointTree tree(key, m, key_offsets, num_clouds);
  const bool same = query == key && n == m && std::equal(query_offsets, query_offsets + num_clouds + 1, key_offsets);
  const std::vector<Query> queries = same ? tree.own_queries() : tree.queries(query, n, query_offsets);
  parallel_for(0, static_cast<int64_t>(queries.size()), 256, [&](int64_t from, int64_t to) {
    const int64_t most = std::min(k, m);
    Nearest nearest(most);
    for (int64_t q = from; q < to; ++q) {
      search_nearest(tree, query, queries[q], most, limit, nearest);
      const int64_t found = nearest.finish(), out = queries[q].row * k;
      const int64_t first_row = tree.cloud(queries[q].cloud).first_row;
      for (int64_t i = 0; i < found; ++i) {
        indices[out + i] = first_row + candidate_row(nearest[i]);
        distances[out + i] = candidate_distance(nearest[i]);
      }
    }
  });
}

}  // namespace geopt
