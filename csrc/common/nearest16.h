// Up to 16 nearest points of up to 16 queries at once: the search that knn, radius_search and local_pca share.
#pragma once

#include <cstdint>

#include "common/point_tree.h"
#include "common/simd.h"

namespace geopt {

constexpr int kLanes = 16;      // queries of a group, and the most neighbours of each
constexpr int kMaxListed = 128;  // leaves that a group looks at; those who need more are searched apart

// Queries that lie close together, of one cloud.
struct alignas(64) QueryGroup {
  float xyz[3][kLanes];  // those past `count` repeat one of the others
  int64_t row[kLanes];   // in the batch
  int count;
  int64_t cloud;
};

// Column q holds the neighbours of query q, ascending by (distance, row). Where it has fewer, distance is infinity, row
// is kNoRow, and xyz means nothing.
struct alignas(64) Neighborhoods {
  float xyz[3][kLanes][kLanes];
  float distance[kLanes][kLanes];
  int32_t row[kLanes][kLanes];  // from the first row of the cloud, bits of a uint32_t
};

// What a thread keeps between groups; contents mean nothing there.
struct alignas(64) SearchSpace {
  float box[6][kMaxListed + kLanes];              // lower and upper corners of the listed leaves
  int32_t leaf[kMaxListed + kLanes];              // their numbers
  float point[kMaxListed * kLeafSize][4] = {};    // x, y, z and row of their points
  // Keys of the points near enough to each query. The odd length keeps columns out of one another's cache sets.
  int32_t key[kLanes][kMaxListed * kLeafSize + 48];
  int count[kLanes];
};

// Finds the k <= 16 nearest points, at squared distances of at most `reach`, of the queries from `begin` on. Returns
// where it ended: the others lie too far from those that are done. Where it ends at `begin`, that query has too few
// points beside `leaf`, where it lies along the curve, or too many near it, or they are farther than a float32 square
// can tell.
GEOPT_DECLARE_LEVELS(int find_nearest(
    const TreeView& tree, const QueryGroup& group, int begin, int64_t leaf, int k, float reach, SearchSpace& space,
    Neighborhoods& out))

// Writes the neighbours of queries [begin, end) to their rows of (n, k) indices, -1 for none, and distances.
GEOPT_DECLARE_LEVELS(void write_neighbors(
    const QueryGroup& group, const Neighborhoods& found, int begin, int end, int64_t k, int64_t first_row,
    int64_t* indices, float* distances))

// Each thread calls it after its last write_neighbors, before others may read what it wrote.
GEOPT_DECLARE_LEVELS(void end_writing())

}  // namespace geopt
