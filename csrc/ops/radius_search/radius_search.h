// All points within a radius of each query. (At most k of them is knn_cpu with a limit.)
#pragma once

#include <cstdint>
#include <vector>

#include "common/point_tree.h"
#include "ops/knn/knn.h"

namespace geopt {

// The limit below which a candidate lies inside: its squared distance is at most radius * radius in float32.
inline Candidate radius_limit(float radius) {
  const Candidate above = (uint64_t{1} << 32) + make_candidate(radius * radius, 0);
  return above < kFarthest ? above : kFarthest;  // an overflowing square takes in every finite point
}

class RadiusSearch {
 public:
  // query (n, 3) and key (m, 3) with offsets (num_clouds + 1) each. Writes row_splits (n + 1).
  RadiusSearch(
      const float* query, int64_t n, const int64_t* query_offsets, const float* key, int64_t m,
      const int64_t* key_offsets, int64_t num_clouds, float radius, int64_t* row_splits);

  // Writes rows of key and squared distances, row_splits[n] each, those of a query ascending by (distance, row).
  void write(int64_t* indices, float* distances);

 private:
  template <class Visit>
  void for_each_block(const Visit& visit);

  const int64_t* row_splits_;
  const int64_t* query_offsets_;
  PointTree tree_;
  CurveOrder queries_;
  std::vector<std::vector<Candidate>> found_;  // per block of queries, one query after the other
};

#ifdef GEOPT_WITH_CUDA
// On a stream, in two steps, since the size of the result is known only after the first: count writes row_splits
// (n + 1), write the rest. The workspace is that of knn_cuda and stays between the steps. Return a cudaError_t.
int radius_search_cuda_count(
    const NeighborProblem& of, Candidate limit, void* workspace, int64_t workspace_bytes, int64_t* row_splits,
    void* stream);
int radius_search_cuda_write(
    const NeighborProblem& of, Candidate limit, void* workspace, const int64_t* row_splits, int64_t* indices,
    float* distances, void* stream);
#endif

// What both steps compute, by the same functions on the host: for tests.
void radius_search_emulated(
    const NeighborProblem& of, Candidate limit, int64_t* row_splits, std::vector<int64_t>& indices,
    std::vector<float>& distances);

}  // namespace geopt
