#include "ops/local_pca/local_pca.h"

#include <algorithm>

#include "common/nearest.h"
#include "common/parallel.h"
#include "ops/local_pca/local_pca_kernel.h"

namespace geopt {

void local_pca_cpu(
    const float* xyz, int64_t n, const int64_t* offsets, int64_t num_clouds, int64_t k, float* normals,
    float* eigenvalues, int64_t* num_neighbors) {
  const PointTree tree(xyz, n, offsets, num_clouds);
  if (tree.num_points() < n) {  // those that are not finite have no plane
    std::fill(normals, normals + 3 * n, 0.0f);
    std::fill(eigenvalues, eigenvalues + 3 * n, 0.0f);
    std::fill(num_neighbors, num_neighbors + n, int64_t{0});
  }
  const auto grouped = [&](const QueryGroup& group, int begin, int end, const Neighborhoods& around) {
    Planes planes;
    GEOPT_LEVEL_IN_USE(fit_planes)(around, static_cast<int>(k), planes);
    for (int q = begin; q < end; ++q) {
      const int64_t row = group.row[q];
      for (int a = 0; a < 3; ++a) {
        normals[3 * row + a] = planes.normal[a][q];
        eigenvalues[3 * row + a] = planes.eigenvalues[a][q];
      }
      num_neighbors[row] = k;  // each of a group has as many as it may
    }
  };
  // The same sums as in fit_planes, one query at a time.
  const auto single = [&](int64_t row, const Cloud& cloud, Nearest& nearest) {
    const int64_t found = nearest.finish();
    const float* points = xyz + 3 * cloud.first_row;
    const PlaneFit fit =
        plane_around(found, [&](int64_t i) { return points + 3 * int64_t{candidate_row(nearest[i])}; });
    normals[3 * row] = fit.x, normals[3 * row + 1] = fit.y, normals[3 * row + 2] = fit.z;
    eigenvalues[3 * row] = fit.low, eigenvalues[3 * row + 1] = fit.middle, eigenvalues[3 * row + 2] = fit.high;
    num_neighbors[row] = found;
  };
  parallel_blocks(tree.num_leaves(), 64, [&](int64_t from, int64_t to) {
    NearestSearch(tree, k, kFarthest).run_leaves(tree, from, to, grouped, single);
  });
}

}  // namespace geopt
