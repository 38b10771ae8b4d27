// The k nearest neighbours of points, exactly: ascending (squared distance, row), in float32 as distance.h computes it.
#pragma once

#include <cstdint>

#include "common/point_tree.h"

namespace geopt {

// query (n, 3) and key (m, 3) with offsets (num_clouds + 1) each; the cloud of a query is searched. Only candidates
// below `limit` count. Writes indices (n, k) rows of key or -1, and distances (n, k) or infinity.
void knn_cpu(
    const float* query, int64_t n, const int64_t* query_offsets, const float* key, int64_t m,
    const int64_t* key_offsets, int64_t num_clouds, int64_t k, Candidate limit, int64_t* indices, float* distances);

}  // namespace geopt
