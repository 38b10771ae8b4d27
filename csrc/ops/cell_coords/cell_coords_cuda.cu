#include "common/launch.h"
#include "ops/cell_coords/cell_coords.h"

namespace geopt {
namespace {

constexpr int kThreads = 256;

__global__ void __launch_bounds__(kThreads) find_coords(const int64_t* keys, int64_t n, KeyLayout layout, int4* coords) {
  for (int64_t i = first_thread(); i < n; i += num_threads()) {
    int32_t cell[4];
    cell_of_key(layout, keys[i], cell);
    coords[i] = make_int4(cell[0], cell[1], cell[2], cell[3]);
  }
}

}  // namespace

int cell_coords_cuda(const int64_t* keys, int64_t n, const KeyLayout& layout, int32_t* coords, void* stream) {
  find_coords<<<blocks_for(n, kThreads), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(
      keys, n, layout, reinterpret_cast<int4*>(coords));
  return cudaGetLastError();
}

}  // namespace geopt
