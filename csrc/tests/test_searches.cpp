// knn, its gradient, radius_search and local_pca beside a comparison of every point with every other.
#include <algorithm>
#include <limits>
#include <vector>

#include "ops/knn/knn.h"
#include "ops/local_pca/local_pca.h"
#include "ops/mean_distances/mean_distances.h"
#include "ops/radius_search/radius_search.h"
#include "tests/batches.h"

namespace geopt::test {
namespace {

// Of each cloud every second point, moved a little.
struct Queries {
  Buffer<float> xyz;
  Buffer<int64_t> offsets;
};

Queries queries_of(const Batch& batch) {
  std::vector<float> xyz;
  std::vector<int64_t> offsets{0};
  for (int64_t cloud = 0; cloud < batch.num_clouds(); ++cloud) {
    for (int64_t row = batch.offsets[cloud]; row < batch.offsets[cloud + 1]; row += 2)
      for (int a = 0; a < 3; ++a) xyz.push_back(batch.xyz[3 * row + a] + 0.01f);
    offsets.push_back(static_cast<int64_t>(xyz.size()) / 3);
  }
  return {Buffer<float>::of(xyz), Buffer<int64_t>::of(offsets)};
}

NeighborProblem problem_of(const Batch& batch, const Queries& queries) {
  return {
      queries.xyz.data(), queries.xyz.size() / 3, queries.offsets.data(), batch.xyz.data(), batch.num_points(),
      batch.offsets.data(), batch.num_clouds()};
}

// The candidates of one query, ascending, rows counted in the batch.
std::vector<Candidate> all_candidates(const Batch& batch, int64_t cloud, const float* query) {
  std::vector<Candidate> found;
  if (!is_finite_point(query)) return found;
  for (int64_t row = batch.offsets[cloud]; row < batch.offsets[cloud + 1]; ++row) {
    const float* const p = batch.xyz.data() + 3 * row;
    if (!is_finite_point(p)) continue;
    const float distance = squared_length(query[0] - p[0], query[1] - p[1], query[2] - p[2]);
    found.push_back(make_candidate(distance, static_cast<uint32_t>(row)));
  }
  std::sort(found.begin(), found.end());
  return found;
}

template <class Visit>
void for_each_query(const Queries& queries, const Visit& visit) {
  for (int64_t cloud = 0; cloud + 1 < queries.offsets.size(); ++cloud)
    for (int64_t row = queries.offsets[cloud]; row < queries.offsets[cloud + 1]; ++row) visit(cloud, row);
}

template <class T>
bool same_values(const Buffer<T>& a, const Buffer<T>& b) {
  return a.size() == b.size() && std::equal(a.data(), a.data() + a.size(), b.data());
}

void test_knn(const Batch& batch, const Queries& queries, int64_t k, Candidate limit, bool compare, Digests& digests) {
  const int64_t n = queries.xyz.size() / 3;
  Buffer<int64_t> indices(n * k);
  Buffer<float> distances(n * k);
  knn_cpu(
      queries.xyz.data(), n, queries.offsets.data(), batch.xyz.data(), batch.num_points(), batch.offsets.data(),
      batch.num_clouds(), k, limit, indices.data(), distances.data());
  digests.add("knn", indices);
  digests.add("knn", distances);
  Buffer<int64_t> cuda_indices(n * k);  // by the functions that CUDA kernels call
  Buffer<float> cuda_distances(n * k);
  knn_emulated(problem_of(batch, queries), k, limit, cuda_indices.data(), cuda_distances.data());
  CHECK(same_values(cuda_indices, indices) && same_values(cuda_distances, distances));
  if (!compare) return;
  for_each_query(queries, [&](int64_t cloud, int64_t row) {
    const std::vector<Candidate> all = all_candidates(batch, cloud, queries.xyz.data() + 3 * row);
    bool same = true;
    for (int64_t i = 0; i < k; ++i) {
      // A limit compares rows of the cloud, and no limit in use tells rows apart.
      const bool is_there = i < static_cast<int64_t>(all.size()) && candidate_distance(all[i]) <= candidate_distance(limit);
      same = same && indices[row * k + i] == (is_there ? static_cast<int64_t>(candidate_row(all[i])) : -1);
      same = same && distances[row * k + i] ==
                         (is_there ? candidate_distance(all[i]) : std::numeric_limits<float>::infinity());
    }
    CHECK(same);
  });
}

// Beside knn_cpu, which is compared with all candidates above; then means and gradients of what was found.
void test_both_ways(const Batch& batch, const Queries& queries, Digests& digests) {
  const NeighborProblem of = problem_of(batch, queries);
  Buffer<int64_t> in_keys(of.n), in_queries(of.m), indices(of.n), back(of.m);
  Buffer<float> to_keys(of.n), to_queries(of.m), distances(of.n), back_distances(of.m);
  nearest_both_ways_cpu(of, {in_keys.data(), to_keys.data()}, {in_queries.data(), to_queries.data()});
  knn_cpu(
      of.query, of.n, of.query_offsets, of.key, of.m, of.key_offsets, of.num_clouds, 1, kFarthest, indices.data(),
      distances.data());
  knn_cpu(
      of.key, of.m, of.key_offsets, of.query, of.n, of.query_offsets, of.num_clouds, 1, kFarthest, back.data(),
      back_distances.data());
  CHECK(same_values(in_keys, indices) && same_values(to_keys, distances));
  CHECK(same_values(in_queries, back) && same_values(to_queries, back_distances));

  Buffer<float> means(of.num_clouds);
  Buffer<int64_t> counts(of.num_clouds);
  mean_distances_cpu(to_keys.data(), in_keys.data(), of.query_offsets, of.num_clouds, means.data(), counts.data());
  digests.add("mean_distances", means);
  digests.add("mean_distances", counts);
  for (int64_t cloud = 0; cloud < of.num_clouds; ++cloud) {
    double sum = 0, count = 0;
    for (int64_t row = of.query_offsets[cloud]; row < of.query_offsets[cloud + 1]; ++row) {
      if (in_keys[row] < 0) continue;
      sum += to_keys[row], ++count;
    }
    CHECK(counts[cloud] == static_cast<int64_t>(count));
    // A sum in another order differs in the last bits of a double.
    const double mean = sum / count;
    CHECK(count == 0 ? std::isnan(means[cloud]) : means[cloud] == mean || std::fabs(means[cloud] - mean) <= 1e-7 * mean);
  }

  const Buffer<float> weights = Buffer<float>::of(std::vector<float>(of.n, 0.25f));
  Buffer<float> to_query(3 * of.n), to_key(3 * of.m);
  knn_backward_cpu(
      of.query, of.n, of.key, of.m, in_keys.data(), 1, weights.data(), to_query.data(), to_key.data());
  digests.add("knn_backward", to_query);
  digests.add("knn_backward", to_key);
  std::vector<float> expected(3 * of.m, 0.0f);
  for (int64_t i = 0; i < of.n; ++i)
    for (int a = 0; a < 3 && in_keys[i] >= 0; ++a)
      expected[3 * in_keys[i] + a] -= 2.0f * 0.25f * (of.query[3 * i + a] - of.key[3 * in_keys[i] + a]);
  CHECK(std::equal(expected.begin(), expected.end(), to_key.data()));
}

void test_radius(const Batch& batch, const Queries& queries, float radius, bool compare, Digests& digests) {
  const int64_t n = queries.xyz.size() / 3;
  Buffer<int64_t> splits(n + 1);
  RadiusSearch search(
      queries.xyz.data(), n, queries.offsets.data(), batch.xyz.data(), batch.num_points(), batch.offsets.data(),
      batch.num_clouds(), radius, splits.data());
  Buffer<int64_t> indices(splits[n]);
  Buffer<float> distances(splits[n]);
  search.write(indices.data(), distances.data());
  digests.add("radius_search", splits);
  digests.add("radius_search", indices);
  digests.add("radius_search", distances);
  Buffer<int64_t> cuda_splits(n + 1);
  std::vector<int64_t> cuda_indices;
  std::vector<float> cuda_distances;
  radius_search_emulated(
      problem_of(batch, queries), radius_limit(radius), cuda_splits.data(), cuda_indices, cuda_distances);
  CHECK(same_values(cuda_splits, splits) && same_values(Buffer<int64_t>::of(cuda_indices), indices));
  CHECK(same_values(Buffer<float>::of(cuda_distances), distances));
  if (!compare) return;
  CHECK(splits[0] == 0);
  for_each_query(queries, [&](int64_t cloud, int64_t row) {
    std::vector<Candidate> within = all_candidates(batch, cloud, queries.xyz.data() + 3 * row);
    while (!within.empty() && candidate_distance(within.back()) > radius * radius) within.pop_back();
    if (!CHECK(splits[row + 1] - splits[row] == static_cast<int64_t>(within.size()))) return;
    bool same = true;
    for (size_t i = 0; i < within.size(); ++i) {
      same = same && indices[splits[row] + i] == static_cast<int64_t>(candidate_row(within[i]));
      same = same && distances[splits[row] + i] == candidate_distance(within[i]);
    }
    CHECK(same);
  });
}

void test_local_pca(const Batch& batch, int64_t k, bool compare, Digests& digests) {
  const int64_t n = batch.num_points();
  Buffer<float> normals(3 * n), eigenvalues(3 * n);
  Buffer<int64_t> num_neighbors(n);
  local_pca_cpu(
      batch.xyz.data(), n, batch.offsets.data(), batch.num_clouds(), k, normals.data(), eigenvalues.data(),
      num_neighbors.data());
  digests.add("local_pca", normals);
  digests.add("local_pca", eigenvalues);
  digests.add("local_pca", num_neighbors);
  Buffer<float> cuda_normals(3 * n), cuda_eigenvalues(3 * n);
  Buffer<int64_t> cuda_counts(n);
  local_pca_emulated(
      batch.xyz.data(), n, batch.offsets.data(), batch.num_clouds(), k, cuda_normals.data(), cuda_eigenvalues.data(),
      cuda_counts.data());
  CHECK(same_values(cuda_normals, normals) && same_values(cuda_eigenvalues, eigenvalues));
  CHECK(same_values(cuda_counts, num_neighbors));
  if (!compare) return;
  for (int64_t cloud = 0; cloud < batch.num_clouds(); ++cloud)
    for (int64_t row = batch.offsets[cloud]; row < batch.offsets[cloud + 1]; ++row) {
      const auto all = static_cast<int64_t>(all_candidates(batch, cloud, batch.xyz.data() + 3 * row).size());
      CHECK(num_neighbors[row] == std::min(k, all));
      const float* const values = eigenvalues.data() + 3 * row;
      CHECK(0 <= values[0] && values[0] <= values[1] && values[1] <= values[2]);
      const float* const normal = normals.data() + 3 * row;
      const float length = squared_length(normal[0], normal[1], normal[2]);
      CHECK(length == 0 || std::fabs(length - 1) < 1e-6f);
    }
}

}  // namespace

void test_searches(const Batch& batch, bool check_results, Digests& digests) {
  const bool compare = check_results && batch.is_small();
  const Queries queries = queries_of(batch);
  const Queries own{Buffer<float>::of(batch.xyz), Buffer<int64_t>::of(batch.offsets)};
  for (const int64_t k : {1, 3, 16, 17, 40}) test_knn(batch, queries, k, kFarthest, compare, digests);
  test_knn(batch, own, 1, kFarthest, compare, digests);
  test_knn(batch, own, 16, kFarthest, compare, digests);
  test_knn(batch, queries, 1, radius_limit(0.5f), compare, digests);
  test_both_ways(batch, queries, digests);
  test_knn(batch, own, 8, radius_limit(0.7f), compare, digests);
  for (const float radius : {0.0f, 0.5f}) test_radius(batch, own, radius, compare, digests);
  test_radius(batch, queries, 1.5f, compare, digests);
  for (const int64_t k : {1, 5, 16, 33}) test_local_pca(batch, k, compare, digests);
}

}  // namespace geopt::test
