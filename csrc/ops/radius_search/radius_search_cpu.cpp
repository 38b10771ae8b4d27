#include "ops/radius_search/radius_search.h"

#include <algorithm>

#include "common/parallel.h"

namespace geopt {
namespace {

constexpr int64_t kBlock = 128;  // queries whose results lie together

// Sorts candidates whose distances spread over [0, farthest], as those around a point on a surface do: dealt out by
// distance first, so that few are left to compare. `spare` is scratch space.
void sort_spread(Candidate* candidates, int64_t n, float farthest, std::vector<Candidate>& spare) {
  constexpr int64_t kFew = 48;
  constexpr int kMostBuckets = 2048;
  int num_buckets = 16;
  while (num_buckets < n / 4 && num_buckets < kMostBuckets) num_buckets *= 2;
  const float per_metre2 = static_cast<float>(num_buckets) / farthest;
  if (n <= kFew || !(per_metre2 > 0.0f && per_metre2 < 1e30f)) {  // a radius of 0, or one without bounds
    std::sort(candidates, candidates + n);
    return;
  }
  const auto bucket_of = [&](Candidate c) {
    return std::min(num_buckets - 1, static_cast<int>(candidate_distance(c) * per_metre2));
  };
  int64_t end[kMostBuckets] = {};  // of each bucket, at last
  for (int64_t i = 0; i < n; ++i) ++end[bucket_of(candidates[i])];
  int64_t total = 0;
  for (int b = 0; b < num_buckets; ++b) {
    const int64_t count = end[b];
    end[b] = total;
    total += count;
  }
  spare.assign(candidates, candidates + n);
  for (const Candidate c : spare) candidates[end[bucket_of(c)]++] = c;
  for (int64_t b = 0, begin = 0; b < num_buckets; begin = end[b++]) std::sort(candidates + begin, candidates + end[b]);
}

}  // namespace

RadiusSearch::RadiusSearch(
    const float* query, int64_t n, const int64_t* query_offsets, const float* key, int64_t m,
    const int64_t* key_offsets, int64_t num_clouds, float radius, int64_t* row_splits)
    : row_splits_(row_splits),
      query_offsets_(query_offsets),
      tree_(key, m, key_offsets, num_clouds),
      queries_(tree_.order_of(query, n, query_offsets)) {
  const Candidate limit = radius_limit(radius);
  found_.resize((n + kBlock - 1) / kBlock);
  std::fill(row_splits, row_splits + n + 1, int64_t{0});
  for_each_block([&](std::vector<Candidate>& found, int64_t c, int64_t row) {
    const Cloud& cloud = tree_.cloud(c);
    const float* p = query + 3 * row;
    const size_t first = found.size();
    tree_.walk(cloud, p, p, limit, [&](int64_t l) {
      const size_t size = found.size();
      found.resize(size + kLeafSize);
      found.resize(size + append_below(tree_.leaf(cloud, l), p, limit, found.data() + size));
    });
    thread_local std::vector<Candidate> spare;
    sort_spread(found.data() + first, static_cast<int64_t>(found.size() - first), radius * radius, spare);
    row_splits[row + 1] = static_cast<int64_t>(found.size() - first);
  });
  for (int64_t i = 0; i < n; ++i) row_splits[i + 1] += row_splits[i];
}

// Calls visit(results of the block, cloud, row) for all finite queries, blocks in parallel.
template <class Visit>
void RadiusSearch::for_each_block(const Visit& visit) {
  parallel_blocks(static_cast<int64_t>(found_.size()), 1, [&](int64_t from, int64_t to) {
    const int64_t end = std::min(to * kBlock, query_offsets_[tree_.num_clouds()]);
    int64_t c = 0;
    for (int64_t i = from * kBlock; i < end; ++i) {
      while (query_offsets_[c + 1] <= i) ++c;
      if (i >= query_offsets_[c] + queries_.num_finite[c]) continue;
      visit(found_[i / kBlock], c, query_offsets_[c] + CurveOrder::row(queries_.words[i]));
    }
  });
}

void RadiusSearch::write(int64_t* indices, float* distances) {
  std::vector<size_t> at(found_.size(), 0);
  for_each_block([&](const std::vector<Candidate>& found, int64_t c, int64_t row) {
    const int64_t first_row = tree_.cloud(c).first_row;
    size_t& next = at[&found - found_.data()];
    for (int64_t out = row_splits_[row]; out < row_splits_[row + 1]; ++out, ++next) {
      indices[out] = first_row + candidate_row(found[next]);
      distances[out] = candidate_distance(found[next]);
    }
  });
}

}  // namespace geopt
