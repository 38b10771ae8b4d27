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
  const PointTree tree(key, m, key_offsets, num_clouds);
  const bool same = query == key && n == m && std::equal(query_offsets, query_offsets + num_clouds + 1, key_offsets);
  const std::vector<Query> queries = same ? tree.own_queries() : tree.queries(query, n, query_offsets);
  if (static_cast<int64_t>(queries.size()) < n) {  // those left out find nothing
    std::fill(indices, indices + n * k, int64_t{-1});
    std::fill(distances, distances + n * k, kInfinity);
  }
  parallel_for(0, static_cast<int64_t>(queries.size()), 256, [&](int64_t from, int64_t to) {
    const auto grouped = [&](const Query* group, int count, const QueryGroup&, const Neighborhoods& found) {
      int64_t rows[kLanes];
      for (int q = 0; q < count; ++q) rows[q] = group[q].row;
      const int64_t first_row = tree.cloud(group[0].cloud).first_row;
      GEOPT_LEVEL_IN_USE(write_neighbors)(found, count, k, rows, first_row, indices, distances);
    };
    const auto single = [&](const Query& q, Nearest& nearest) {
      const int64_t found = nearest.finish(), out = q.row * k, first_row = tree.cloud(q.cloud).first_row;
      for (int64_t i = 0; i < found; ++i) {
        indices[out + i] = first_row + candidate_row(nearest[i]);
        distances[out + i] = candidate_distance(nearest[i]);
      }
      std::fill(indices + out + found, indices + out + k, int64_t{-1});
      std::fill(distances + out + found, distances + out + k, kInfinity);
    };
    NearestSearch search(tree, query, k, limit, same ? 0 : 3);
    search.run(queries.data() + from, to - from, grouped, single);
  });
}

}  // namespace geopt
