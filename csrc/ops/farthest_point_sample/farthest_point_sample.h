// Farthest point sampling, exactly: each pick is the point farthest from all picks before it, in float32 as distance.h
// computes it, ties to the lower row, no row twice.
#pragma once

#include <cstdint>

namespace geopt {

// xyz (offsets[num_clouds], 3), offsets (num_clouds + 1), clouds of fewer than 2**32 - 1 rows. The first pick of a cloud is row `start` of it, or the next finite row after
// it, beginning again at row 0. Writes picks (num_clouds, num_samples) rows of xyz. Returns the first cloud with
// fewer finite points than num_samples, or -1 when all went well.
int64_t farthest_point_sample_cpu(
    const float* xyz, const int64_t* offsets, int64_t num_clouds, int64_t num_samples, int64_t start, int64_t* picks);

}  // namespace geopt
