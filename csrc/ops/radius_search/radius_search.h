// All points within a radius of each query. (At most k of them is knn_cpu with a limit.)
#pragma once

#include <cstdint>
#include <vector>

#include "common/point_tree.h"

namespace geopt {

// The limit below which a candidate lies inside: its squared distance is at most radius * radius in float32.
Candidate radius_limit(float radius);

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

}  // namespace geopt
