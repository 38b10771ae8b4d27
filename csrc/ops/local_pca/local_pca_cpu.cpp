#include "ops/local_pca/local_pca.h"

#include <algorithm>

#include "common/nearest.h"
#include "common/parallel.h"

namespace geopt {

void local_pca_cpu(
    const float* xyz, int64_t n, const int64_t* offsets, int64_t num_clouds, int64_t k, float* normals,
    float* eigenvalues, int64_t* num_neighbors) {
  std::fill(normals, normals + 3 * n, 0.0f);
  std::fill(eigenvalues, eigenvalues + 3 * n, 0.0f);
  std::fill(num_neighbors, num_neighbors + n, int64_t{0});
  const PointTree tree(xyz, n, offsets, num_clouds);
  const std::vector<Query> queries = tree.own_queries();
  parallel_for(0, static_cast<int64_t>(queries.size()), 256, [&](int64_t from, int64_t to) {
    NearestSearch search(tree, xyz, std::min(k, n), kFarthest);
    search.run(queries.data() + from, to - from, [&](const Query& q, Nearest& nearest) {
      // In order of distance, so that the sums do not depend on how the tree was walked.
      const int64_t found = nearest.finish(), row = q.row;
      const float* cloud = xyz + 3 * tree.cloud(q.cloud).first_row;
      // Twice centred: about the point first, which is exact enough 100 km away, then about the mean.
      double mean[3] = {0, 0, 0};
      for (int64_t i = 0; i < found; ++i)
        for (int a = 0; a < 3; ++a)
          mean[a] += static_cast<double>(cloud[3 * candidate_row(nearest[i]) + a]) - xyz[3 * row + a];
      for (int a = 0; a < 3; ++a) mean[a] /= static_cast<double>(found);
      double moments[6] = {0, 0, 0, 0, 0, 0};
      for (int64_t i = 0; i < found; ++i) {
        double d[3];
        for (int a = 0; a < 3; ++a)
          d[a] = static_cast<double>(cloud[3 * candidate_row(nearest[i]) + a]) - xyz[3 * row + a] - mean[a];
        moments[0] += d[0] * d[0], moments[1] += d[0] * d[1], moments[2] += d[0] * d[2];
        moments[3] += d[1] * d[1], moments[4] += d[1] * d[2], moments[5] += d[2] * d[2];
      }
      const PlaneFit fit = fit_plane(moments, found);
      for (int a = 0; a < 3; ++a) {
        normals[3 * row + a] = fit.normal[a];
        eigenvalues[3 * row + a] = fit.eigenvalues[a];
      }
      num_neighbors[row] = found;
    });
  });
}

}  // namespace geopt
