// Eight lanes share a cell: most cells have a few points, and one near the sensor may have thousands.
#include "common/launch.h"
#include "ops/cell_sums/cell_sums.h"

namespace geopt {
namespace {

constexpr int kThreads = 256;
constexpr int kLanes = 8;  // of one cell

struct Lower {
  double xyz[3];
};

// What the lane that is `step` away within its eight has.
__device__ int64_t of_lane_across(int64_t value, int step) {
  return __shfl_xor_sync(0xffffffffu, static_cast<long long>(value), step, kLanes);
}

__global__ void __launch_bounds__(kThreads) add_points(
    const float* xyz, const int64_t* order, const int64_t* starts, int64_t num_cells, Lower lower,
    const int64_t* sweep_rows, int64_t* sums, int64_t* lowest_sweep) {
  const int64_t groups = num_threads() / kLanes, rounds = units_for(num_cells, groups);
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  // Rounds, not cells, are counted: all lanes of a warp must reach the exchange below together.
  for (int64_t round = 0, cell = first_thread() / kLanes; round < rounds; ++round, cell += groups) {
    const int64_t begin = cell < num_cells ? starts[cell] : 0, end = cell < num_cells ? starts[cell + 1] : 0;
    int64_t sum[3] = {0, 0, 0};
    int64_t lowest = INT64_MAX;
    for (int64_t i = begin + lane; i < end; i += kLanes) {
      const int64_t row = order[i];
      for (int a = 0; a < 3; ++a) sum[a] += to_fixed_point(xyz[3 * row + a], lower.xyz[a]);
      if (sweep_rows && sweep_rows[row] < lowest) lowest = sweep_rows[row];
    }
    for (int step = kLanes / 2; step > 0; step /= 2) {
      for (int a = 0; a < 3; ++a) sum[a] += of_lane_across(sum[a], step);
      const int64_t other = of_lane_across(lowest, step);
      lowest = other < lowest ? other : lowest;
    }
    if (cell >= num_cells) continue;
    if (lane < 3) sums[3 * cell + lane] = lane == 0 ? sum[0] : lane == 1 ? sum[1] : sum[2];
    if (lane == 0 && sweep_rows) lowest_sweep[cell] = lowest;
  }
}

}  // namespace

int cell_sums_cuda(
    const float* xyz, const int64_t* order, const int64_t* starts, int64_t num_cells, const double lower[3],
    const int64_t* sweep_rows, int64_t* sums, int64_t* lowest_sweep, void* stream) {
  add_points<<<blocks_for(num_cells, kThreads / kLanes), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(
      xyz, order, starts, num_cells, {{lower[0], lower[1], lower[2]}}, sweep_rows, sums, lowest_sweep);
  return cudaGetLastError();
}

}  // namespace geopt
