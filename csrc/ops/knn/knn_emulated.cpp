#include "common/warp_host.h"
#include "ops/knn/knn_warps.h"

namespace geopt {

void knn_emulated(const NeighborProblem& of, int64_t k, Candidate limit, int64_t* indices, float* distances) {
  const warp::HostMachine machine;
  const int64_t bytes = warp::workspace_bytes(machine, of);
  warp::HostMemory memory(bytes);
  warp::knn(machine, of, k, limit, memory.get(), bytes, indices, distances);
}

}  // namespace geopt
