#include "ops/knn/knn.h"

#include <algorithm>
#include <limits>

#include "common/nearest.h"
#include "common/parallel.h"

namespace geopt {
namespace {

// A search of a tree whose neighbours go to the rows of indices (n, k) and distances (n, k).
struct RowSearch {
  const PointTree& tree;
  int64_t k;
  Candidate limit;
  int64_t* indices;
  float* distances;

  static constexpr float kInfinity = std::numeric_limits<float>::infinity();

  // For queries that are left out.
  void write_nothing(int64_t n) const {
    std::fill(indices, indices + n * k, int64_t{-1});
    std::fill(distances, distances + n * k, kInfinity);
  }

  // Calls run(search, begin, end, grouped, single) for blocks of what there is to search for.
  template <class Run>
  void in_blocks(int64_t count, int64_t block, const Run& run) const {
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
    const int64_t wanted = k <= kLanes ? k : std::max<int64_t>(std::min(k, tree.num_points()), kLanes + 1);
    parallel_blocks(count, block, [&](int64_t from, int64_t to) {
      NearestSearch search(tree, wanted, limit);
      run(search, from, to, grouped, single);
      GEOPT_LEVEL_IN_USE(end_writing)();
    });
  }

  // For n queries that lie in a tree of their own, or in this one.
  void run_leaves(const PointTree& queries, int64_t n) const {
    bool all_find = queries.num_points() == n;
    for (int64_t c = 0; c < tree.num_clouds(); ++c)
      all_find = all_find && (tree.cloud(c).num_leaves > 0 || queries.cloud(c).num_leaves == 0);
    if (!all_find) write_nothing(n);
    in_blocks(
        queries.num_leaves(), 64,
        [&](NearestSearch& search, int64_t from, int64_t to, const auto& grouped, const auto& single) {
          search.run_leaves(queries, from, to, grouped, single);
        });
  }
};

}  // namespace

void knn_cpu(
    const float* query, int64_t n, const int64_t* query_offsets, const float* key, int64_t m,
    const int64_t* key_offsets, int64_t num_clouds, int64_t k, Candidate limit, int64_t* indices, float* distances) {
  const PointTree tree(key, m, key_offsets, num_clouds);
  const RowSearch to_rows{tree, k, limit, indices, distances};
  if (query == key && n == m && std::equal(query_offsets, query_offsets + num_clouds + 1, key_offsets)) {
    to_rows.run_leaves(tree, n);
    return;
  }
  const CurveOrder order = tree.order_of(query, n, query_offsets);
  int64_t num_searched = 0;
  for (int64_t c = 0; c < num_clouds; ++c) num_searched += tree.cloud(c).num_leaves > 0 ? order.num_finite[c] : 0;
  if (num_searched < n) to_rows.write_nothing(n);
  to_rows.in_blocks(
      n, 1024, [&](NearestSearch& search, int64_t from, int64_t to, const auto& grouped, const auto& single) {
        search.run(query, query_offsets, order, from, to, grouped, single);
      });
}

void nearest_both_ways_cpu(const NeighborProblem& of, NearestRows of_queries, NearestRows of_keys) {
  const PointTree queries(of.query, of.n, of.query_offsets, of.num_clouds);
  const PointTree keys(of.key, of.m, of.key_offsets, of.num_clouds);
  RowSearch{keys, 1, kFarthest, of_queries.indices, of_queries.distances}.run_leaves(queries, of.n);
  RowSearch{queries, 1, kFarthest, of_keys.indices, of_keys.distances}.run_leaves(keys, of.m);
}

void knn_backward_cpu(
    const float* query, int64_t n, const float* key, int64_t m, const int64_t* indices, int64_t k, const float* grad,
    float* to_query, float* to_key) {
  // Adds the gradient of an entry to `sum`, or takes it away. Nothing where there is no neighbour: 0 times the NaN of a
  // point left out would be NaN.
  const auto add_step = [&](int64_t entry, int64_t i, float sign, float* sum) {
    const float *p = query + 3 * i, *q = key + 3 * indices[entry], twice = 2.0f * grad[entry];
    for (int a = 0; a < 3; ++a) sum[a] += sign * (twice * (p[a] - q[a]));
  };
  parallel_for(0, n, 4096, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) {
      float sum[3] = {0, 0, 0};
      for (int64_t entry = i * k; entry < (i + 1) * k; ++entry)
        if (indices[entry] >= 0) add_step(entry, i, 1.0f, sum);
      for (int a = 0; a < 3; ++a) to_query[3 * i + a] = sum[a];
    }
  });
  // Each thread owns a range of keys and reads every index: in one order, with any number of threads.
  parallel_for(0, m, 4096, [&](int64_t from, int64_t to) {
    std::fill(to_key + 3 * from, to_key + 3 * to, 0.0f);
    for (int64_t i = 0; i < n; ++i)
      for (int64_t entry = i * k; entry < (i + 1) * k; ++entry)
        if (from <= indices[entry] && indices[entry] < to) add_step(entry, i, -1.0f, to_key + 3 * indices[entry]);
  });
}

}  // namespace geopt
