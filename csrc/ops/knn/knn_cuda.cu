#include "common/warp_cuda.cuh"
#include "ops/knn/knn_warps.h"

namespace geopt {

int64_t knn_cuda_workspace(const NeighborProblem& of) { return warp::workspace_bytes(warp::CudaMachine(nullptr), of); }

int knn_cuda(
    const NeighborProblem& of, int64_t k, Candidate limit, void* workspace, int64_t workspace_bytes, int64_t* indices,
    float* distances, void* stream) {
  return warp::knn(warp::CudaMachine(stream), of, k, limit, workspace, workspace_bytes, indices, distances);
}

}  // namespace geopt
