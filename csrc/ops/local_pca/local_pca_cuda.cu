#include "common/warp_cuda.cuh"
#include "ops/local_pca/local_pca_warps.h"

namespace geopt {

int64_t local_pca_cuda_workspace(int64_t n, int64_t num_clouds, int64_t k) {
  warp::CudaMachine machine(nullptr);
  return warp::cut_for_planes(nullptr, machine, own_neighbors(nullptr, n, nullptr, num_clouds), k).total;
}

int local_pca_cuda(
    const float* xyz, int64_t n, const int64_t* offsets, int64_t num_clouds, int64_t k, void* workspace,
    int64_t workspace_bytes, float* normals, float* eigenvalues, int64_t* num_neighbors, void* stream) {
  return warp::local_pca(
      warp::CudaMachine(stream), own_neighbors(xyz, n, offsets, num_clouds), k, workspace, workspace_bytes, normals,
      eigenvalues, num_neighbors);
}

}  // namespace geopt
