// How far points lie from their nearest neighbours, on the average of each cloud.
#pragma once

#include <cstdint>

namespace geopt {

// distances (n) of the points of clouds with offsets (num_clouds + 1), and indices (n), below 0 for points that have no
// neighbour and do not count. Writes means (num_clouds), NaN where none counts, and how many count, (num_clouds).
void mean_distances_cpu(
    const float* distances, const int64_t* indices, const int64_t* offsets, int64_t num_clouds, float* means,
    int64_t* counts);

}  // namespace geopt
