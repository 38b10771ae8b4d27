#include "common/warp_host.h"
#include "ops/local_pca/local_pca_warps.h"

namespace geopt {

void local_pca_emulated(
    const float* xyz, int64_t n, const int64_t* offsets, int64_t num_clouds, int64_t k, float* normals,
    float* eigenvalues, int64_t* num_neighbors) {
  warp::HostMachine machine;
  const NeighborProblem of = own_neighbors(xyz, n, offsets, num_clouds);
  const int64_t bytes = warp::cut_for_planes(nullptr, machine, of, k).total;
  warp::HostMemory memory(bytes);
  warp::local_pca(machine, of, k, memory.get(), bytes, normals, eigenvalues, num_neighbors);
}

}  // namespace geopt
