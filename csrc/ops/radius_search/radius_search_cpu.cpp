#include "ops/radius_search/radius_search.h"

#include <algorithm>

#include "common/parallel.h"

namespace geopt {
namespace {

constexpr int64_t kBlock = 128;  // queries whose results lie together

}  // namespace

Candidate radius_limit(float radius) {
  const Candidate above = (uint64_t{1} << 32) + make_candidate(radius * radius, 0);
  return std::min(above, kFarthest);  // an overflowing square takes in every finite point
}

RadiusSearch::RadiusSearch(
    const float* query, int64_t n, const int64_t* query_offsets, const float* key, int64_t m,
    const int64_t* key_offsets, int64_t num_clouds, float radius, int64_t* row_splits)
    : row_splits_(row_splits),
      tree_(key, m, key_offsets, num_clouds),
      queries_(tree_.queries(query, n, query_offsets)) {
  const Candidate limit = radius_limit(radius);
  const int64_t num_queries = static_cast<int64_t>(queries_.size());
  found_.resize((num_queries + kBlock - 1) / kBlock);
  std::fill(row_splits, row_splits + n + 1, int64_t{0});
  parallel_for(0, static_cast<int64_t>(found_.size()), 1, [&](int64_t from, int64_t to) {
    for (int64_t b = from; b < to; ++b) {
      std::vector<Candidate>& found = found_[b];
      for (int64_t q = b * kBlock; q < std::min(num_queries, (b + 1) * kBlock); ++q) {
        const Cloud& cloud = tree_.cloud(queries_[q].cloud);
        const float* p = query + 3 * queries_[q].row;
        const size_t first = found.size();
        tree_.walk(cloud, p, p, limit, [&](int64_t l) {
          const size_t size = found.size();
          found.resize(size + kLeafSize);
          found.resize(size + append_below(tree_.leaf(cloud, l), p, limit, found.data() + size));
        });
        std::sort(found.begin() + first, found.end());
        row_splits[queries_[q].row + 1] = static_cast<int64_t>(found.size() - first);
      }
    }
  });
  for (int64_t i = 0; i < n; ++i) row_splits[i + 1] += row_splits[i];
}

void RadiusSearch::write(int64_t* indices, float* distances) const {
  parallel_for(0, static_cast<int64_t>(found_.size()), 1, [&](int64_t from, int64_t to) {
    for (int64_t b = from; b < to; ++b) {
      size_t at = 0;
      const int64_t end = std::min(static_cast<int64_t>(queries_.size()), (b + 1) * kBlock);
      for (int64_t q = b * kBlock; q < end; ++q) {
        const int64_t first_row = tree_.cloud(queries_[q].cloud).first_row;
        for (int64_t out = row_splits_[queries_[q].row]; out < row_splits_[queries_[q].row + 1]; ++out, ++at) {
          indices[out] = first_row + candidate_row(found_[b][at]);
          distances[out] = candidate_distance(found_[b][at]);
        }
      }
    }
  });
}

}  // namespace geopt
