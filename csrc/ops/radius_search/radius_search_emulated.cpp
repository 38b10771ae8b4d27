#include "common/warp_host.h"
#include "ops/radius_search/radius_search_warps.h"

namespace geopt {

void radius_search_emulated(
    const NeighborProblem& of, Candidate limit, int64_t* row_splits, std::vector<int64_t>& indices,
    std::vector<float>& distances) {
  const warp::HostMachine machine;
  const int64_t bytes = warp::workspace_bytes(machine, of);
  warp::HostMemory memory(bytes);
  warp::radius_search_count(machine, of, limit, memory.get(), bytes, row_splits);
  indices.resize(row_splits[of.n]);
  distances.resize(row_splits[of.n]);
  warp::radius_search_write(machine, of, limit, memory.get(), row_splits, indices.data(), distances.data());
}

}  // namespace geopt
