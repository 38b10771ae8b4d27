#include "common/warp_cuda.cuh"
#include "ops/radius_search/radius_search_warps.h"

namespace geopt {

int radius_search_cuda_count(
    const NeighborProblem& of, Candidate limit, void* workspace, int64_t workspace_bytes, int64_t* row_splits,
    void* stream) {
  return warp::radius_search_count(warp::CudaMachine(stream), of, limit, workspace, workspace_bytes, row_splits);
}

int radius_search_cuda_write(
    const NeighborProblem& of, Candidate limit, void* workspace, const int64_t* row_splits, int64_t* indices,
    float* distances, void* stream) {
  return warp::radius_search_write(warp::CudaMachine(stream), of, limit, workspace, row_splits, indices, distances);
}

}  // namespace geopt
