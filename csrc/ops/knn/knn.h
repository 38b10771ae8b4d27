// The k nearest neighbours of points, exactly: ascending (squared distance, row), in float32 as distance.h computes it.
#pragma once

#include <cstdint>

#include "common/candidate.h"

namespace geopt {

// query (n, 3) and key (m, 3) with offsets (num_clouds + 1) each; the cloud of a query is searched. Only candidates
// below `limit` count. Writes indices (n, k) rows of key or -1, and distances (n, k) or infinity.
void knn_cpu(
    const float* query, int64_t n, const int64_t* query_offsets, const float* key, int64_t m,
    const int64_t* key_offsets, int64_t num_clouds, int64_t k, Candidate limit, int64_t* indices, float* distances);

// The same arguments for CUDA; fewer than 2^32 - 1 rows each.
struct NeighborProblem {
  const float* query;
  int64_t n;
  const int64_t* query_offsets;
  const float* key;
  int64_t m;
  const int64_t* key_offsets;
  int64_t num_clouds;

  // Then one tree serves as both. Offsets of the same values elsewhere in memory cost time, no more.
  bool own_points() const { return query == key && n == m && query_offsets == key_offsets; }
};

// Points searched around among themselves.
inline NeighborProblem own_neighbors(const float* xyz, int64_t n, const int64_t* offsets, int64_t num_clouds) {
  return {xyz, n, offsets, xyz, n, offsets, num_clouds};
}

#ifdef GEOPT_WITH_CUDA
// Bytes of workspace, and the search on a stream; returns a cudaError_t. Nothing is read back.
int64_t knn_cuda_workspace(const NeighborProblem& of);
int knn_cuda(
    const NeighborProblem& of, int64_t k, Candidate limit, void* workspace, int64_t workspace_bytes, int64_t* indices,
    float* distances, void* stream);
#endif

// What knn_cuda computes, by the same functions on the host: for tests.
void knn_emulated(const NeighborProblem& of, int64_t k, Candidate limit, int64_t* indices, float* distances);

// The nearest point of each: rows, or -1, and squared distances, or infinity.
struct NearestRows {
  int64_t* indices;
  float* distances;
};

// What knn_cpu finds with k = 1 for each query, (n), and with queries and keys exchanged for each key, (m).
void nearest_both_ways_cpu(const NeighborProblem& of, NearestRows of_queries, NearestRows of_keys);

// Gradient of squared distances between rows i / k of query (n, 3) and indices[i] of key (m, 3), -1 for none, for
// `grad` (n, k). Writes to_query (n, 3) and to_key (m, 3), each summed in order of rows.
void knn_backward_cpu(
    const float* query, int64_t n, const float* key, int64_t m, const int64_t* indices, int64_t k, const float* grad,
    float* to_query, float* to_key);

}  // namespace geopt
