// Points are sorted along a Morton curve, so that those of a block lie close together. One thread block samples a cloud:
// its threads hold the boxes of the blocks, and a pick updates only the blocks that it may lie nearer to than every pick
// before. The first round touches all blocks, later ones a few.
#include "common/cuda_sort.h"
#include "common/cuda_warp.h"
#include "common/distance.h"
#include "common/launch.h"
#include "ops/farthest_point_sample/farthest_point_sample.h"

namespace geopt {
namespace {

constexpr int kThreads = 256;
constexpr int kSampleThreads = 512;  // a pick concerns about ten blocks: more warps would only wait at the barriers
constexpr int kSampleWarps = kSampleThreads / 32;
constexpr int kOwnBlocks = 4;                             // of each thread that samples
constexpr int kMaxPointBlocks = kOwnBlocks * kSampleThreads;
constexpr int kLeastBlockSize = 64;
constexpr int kPointsAtOnce = 4;  // that a lane reads of a block

struct Buffers {
  float* bounds;  // (num_clouds, 6): what the curve of each cloud covers
  uint64_t *keys, *sorted_keys;
  uint32_t *rows, *sorted_rows;  // of the cloud
  float *x, *y, *z;              // in sorted order
  float* nearest;                // squared distance to the nearest pick; -1 for picks
  void* temporary;
  int64_t temporary_bytes, total;
};

Buffers cut(void* workspace, int64_t n, int64_t num_clouds) {
  Buffers b{};
  Workspace w(workspace);
  b.bounds = w.take<float>(6 * num_clouds);
  b.keys = w.take<uint64_t>(n);
  b.sorted_keys = w.take<uint64_t>(n);
  b.rows = w.take<uint32_t>(n);
  b.sorted_rows = w.take<uint32_t>(n);
  b.x = w.take<float>(n);
  b.y = w.take<float>(n);
  b.z = w.take<float>(n);
  b.nearest = w.take<float>(n);
  b.temporary_bytes = sort_pairs_bytes<uint64_t, uint32_t>(n);
  b.temporary = w.take<char>(b.temporary_bytes);
  b.total = w.used();
  return b;
}

// One warp for each cloud: the middle of a sample and twice its mean distance from there, along each axis. A few stray
// returns move that little, and points beyond it only share the outermost cells.
__global__ void __launch_bounds__(kThreads) place_curves(
    const float* xyz, const int64_t* offsets, int64_t num_clouds, float* bounds) {
  constexpr int64_t kSamples = 1024;
  for (int64_t cloud = first_warp(); cloud < num_clouds; cloud += num_warps()) {
    const int64_t first = offsets[cloud], count = offsets[cloud + 1] - first;
    const int64_t step = count > kSamples ? count / kSamples : 1;
    for (int a = 0; a < 3; ++a) {
      float middle = 0.0f, spread = 0.0f;
      for (int round = 0; round < 2; ++round) {
        float sum = 0.0f, number = 0.0f;
        for (int64_t i = lane_of_warp() * step; i < count; i += 32 * step) {
          const float* p = xyz + 3 * (first + i);
          if (!is_finite_point(p) || fabsf(p[a]) > 1e15f) continue;
          sum += round == 0 ? p[a] : fabsf(p[a] - middle);
          number += 1.0f;
        }
        for (int across = 16; across > 0; across /= 2) {
          sum += __shfl_xor_sync(kFullWarp, sum, across);
          number += __shfl_xor_sync(kFullWarp, number, across);
        }
        (round == 0 ? middle : spread) = number > 0.0f ? sum / number : 0.0f;
      }
      if (lane_of_warp() == 0) {
        bounds[6 * cloud + a] = middle - 3.0f * spread;
        bounds[6 * cloud + 3 + a] = middle + 3.0f * spread;
      }
    }
  }
}

__global__ void __launch_bounds__(kThreads) make_keys(
    const float* xyz, int64_t n, const int64_t* offsets, int64_t num_clouds, const float* bounds, uint64_t* keys,
    uint32_t* rows) {
  for (int64_t i = first_thread(); i < n; i += num_threads()) {
    const int64_t cloud = cloud_of_row(offsets, num_clouds, i);
    keys[i] = static_cast<uint64_t>(cloud) << kSampleKeyBits | sample_key(xyz + 3 * i, bounds + 6 * cloud);
    rows[i] = static_cast<uint32_t>(i - offsets[cloud]);
  }
}

__global__ void __launch_bounds__(kThreads) gather_points(
    const float* xyz, int64_t n, const int64_t* offsets, const uint64_t* keys, Buffers b) {
  for (int64_t i = first_thread(); i < n; i += num_threads()) {
    const float* p = xyz + 3 * (offsets[keys[i] >> kSampleKeyBits] + b.sorted_rows[i]);
    b.x[i] = p[0], b.y[i] = p[1], b.z[i] = p[2];
    b.nearest[i] = INFINITY;
  }
}

// The farthest point of a block, or of several: -1 where all are picked.
struct Farthest {
  float distance;
  uint32_t row;
};

// Of the lanes of a warp; the lowest row of the farthest. Distances are >= 0 or -1, which as bits stay in order when 0 is
// put below them all.
__device__ Farthest farthest_of_warp(Farthest own) {
  const unsigned order = own.distance < 0.0f ? 0 : __float_as_uint(own.distance) + 1;
  const unsigned highest = __reduce_max_sync(kFullWarp, order);
  const unsigned row = __reduce_min_sync(kFullWarp, order == highest ? own.row : 0xffffffffu);
  return {highest == 0 ? -1.0f : __uint_as_float(highest - 1), row};
}

// What a thread block knows of the blocks of points: of each, the farthest point and where it lies.
struct Shared {
  float farthest[kMaxPointBlocks], x[kMaxPointBlocks], y[kMaxPointBlocks], z[kMaxPointBlocks];
  uint32_t row[kMaxPointBlocks];
  uint16_t concerned[kMaxPointBlocks];
  int num_concerned;
  Farthest of_warp[kSampleWarps];
  int block_of_warp[kSampleWarps];
};
static_assert(sizeof(Shared) <= 48 * 1024, "static shared memory");

// Points of one cloud in sorted order, in blocks of `size`.
struct PointBlocks {
  float *x, *y, *z, *nearest;
  const uint32_t* rows;
  int64_t count, size;
  int num_blocks;
};

// One warp brings a block up to date with the pick at p.
__device__ void update_block(const PointBlocks& points, int block, uint32_t picked, const float p[3], Shared& shared) {
  const int64_t begin = block * points.size, end = begin + points.size < points.count ? begin + points.size : points.count;
  Farthest best{-1.0f, 0xffffffffu};
  float at[3] = {0.0f, 0.0f, 0.0f};
  for (int64_t from = begin + lane_of_warp(); from < end; from += 32 * kPointsAtOnce) {
    // All are read before the first is written: a read behind a write would wait for memory once more.
    float x[kPointsAtOnce], y[kPointsAtOnce], z[kPointsAtOnce], nearest[kPointsAtOnce];
    uint32_t row[kPointsAtOnce];
#pragma unroll
    for (int k = 0; k < kPointsAtOnce; ++k) {
      const int64_t i = from + 32 * k < end ? from + 32 * k : from;
      x[k] = points.x[i], y[k] = points.y[i], z[k] = points.z[i];
      nearest[k] = points.nearest[i], row[k] = points.rows[i];
    }
#pragma unroll
    for (int k = 0; k < kPointsAtOnce; ++k) {
      if (from + 32 * k >= end) break;
      nearest[k] = nearest_after_pick(nearest[k], row[k] == picked, p[0] - x[k], p[1] - y[k], p[2] - z[k]);
      points.nearest[from + 32 * k] = nearest[k];
      if (nearest[k] > best.distance || (nearest[k] == best.distance && row[k] < best.row)) {
        best = {nearest[k], row[k]};
        at[0] = x[k], at[1] = y[k], at[2] = z[k];
      }
    }
  }
  const Farthest farthest = farthest_of_warp(best);
  if (farthest.distance < 0.0f) {
    if (lane_of_warp() == 0) shared.farthest[block] = -1.0f;
  } else if (best.distance == farthest.distance && best.row == farthest.row) {
    shared.farthest[block] = farthest.distance;
    shared.row[block] = farthest.row;
    shared.x[block] = at[0], shared.y[block] = at[1], shared.z[block] = at[2];
  }
}

// Row of a cloud that is finite and the first from `start` on, round the end; -1 when there is none.
__device__ int64_t first_from(const float* cloud, int64_t count, int64_t start) {
  for (int64_t i = 0; i < count; ++i) {
    const int64_t row = start < count - i ? start + i : start - (count - i);
    if (is_finite_point(cloud + 3 * row)) return row;
  }
  return -1;
}

// Sorted points of a cloud that are finite: those of its keys below the last.
__device__ int64_t num_finite(const uint64_t* keys, int64_t first, int64_t end) {
  int64_t low = first, high = end;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if ((keys[middle] & kNoSampleKey) != kNoSampleKey) low = middle + 1;
    else high = middle;
  }
  return low - first;
}

__global__ void __launch_bounds__(kSampleThreads) sample_clouds(
    const float* xyz, const int64_t* offsets, int64_t num_clouds, int64_t num_samples, int64_t start, Buffers b,
    int64_t* picks) {
  __shared__ Shared shared;
  const int thread = static_cast<int>(threadIdx.x);
  for (int64_t cloud = blockIdx.x; cloud < num_clouds; cloud += gridDim.x) {
    const int64_t first = offsets[cloud], num_rows = offsets[cloud + 1] - first;
    PointBlocks points{b.x + first, b.y + first, b.z + first, b.nearest + first, b.sorted_rows + first,
                       num_finite(b.sorted_keys, first, first + num_rows), kLeastBlockSize, 0};
    while (points.count > points.size * kMaxPointBlocks) points.size *= 2;
    points.num_blocks = static_cast<int>(units_for(points.count, points.size));

    // Block k of a thread is number thread + k * kSampleThreads.
    float lower[kOwnBlocks][3], upper[kOwnBlocks][3];
    for (int k = 0; k < kOwnBlocks; ++k) {
      const int block = thread + k * kSampleThreads;
      for (int a = 0; a < 3; ++a) lower[k][a] = INFINITY, upper[k][a] = -INFINITY;
      if (block >= points.num_blocks) continue;
      const int64_t begin = block * points.size, end = begin + points.size;
      for (int64_t i = begin; i < end && i < points.count; ++i) {
        const float p[3] = {points.x[i], points.y[i], points.z[i]};
        for (int a = 0; a < 3; ++a) lower[k][a] = fminf(lower[k][a], p[a]), upper[k][a] = fmaxf(upper[k][a], p[a]);
      }
      shared.farthest[block] = INFINITY;  // the first pick updates every point
    }
    if (thread == 0) shared.num_concerned = 0;
    int64_t row = points.count > 0 ? first_from(xyz + 3 * first, num_rows, start) : -1;
    float p[3] = {0.0f, 0.0f, 0.0f};
    if (row >= 0)
      for (int a = 0; a < 3; ++a) p[a] = xyz[3 * (first + row) + a];
    __syncthreads();

    for (int64_t s = 0; s < num_samples; ++s) {
      if (thread == 0) picks[cloud * num_samples + s] = row < 0 ? -1 : first + row;
      if (row < 0) continue;  // all finite rows are picked; the wrapper refuses such a cloud
      for (int k = 0; k < kOwnBlocks; ++k) {
        const int block = thread + k * kSampleThreads;
        const bool concerned =
            block < points.num_blocks && pick_concerns(lower[k], upper[k], p, shared.farthest[block]);
        const unsigned lanes = __ballot_sync(kFullWarp, concerned);
        int place = 0;
        if (lane_of_warp() == 0 && lanes != 0) place = atomicAdd(&shared.num_concerned, __popc(lanes));
        place = __shfl_sync(kFullWarp, place, 0) + __popc(lanes & lanes_below());
        if (concerned) shared.concerned[place] = static_cast<uint16_t>(block);
      }
      __syncthreads();
      const int num_concerned = shared.num_concerned;
      for (int c = warp_of_block(); c < num_concerned; c += kSampleWarps)
        update_block(points, shared.concerned[c], static_cast<uint32_t>(row), p, shared);
      __syncthreads();

      if (thread == 0) shared.num_concerned = 0;
      Farthest best{-1.0f, 0xffffffffu};
      int best_block = 0;
      for (int k = 0; k < kOwnBlocks; ++k) {
        const int block = thread + k * kSampleThreads;
        if (block >= points.num_blocks || shared.farthest[block] < 0.0f) continue;
        const Farthest own{shared.farthest[block], shared.row[block]};
        if (own.distance > best.distance || (own.distance == best.distance && own.row < best.row)) {
          best = own;
          best_block = block;
        }
      }
      const Farthest here = farthest_of_warp(best);
      if (here.distance < 0.0f) {
        if (lane_of_warp() == 0) shared.of_warp[warp_of_block()] = here;
      } else if (best.distance == here.distance && best.row == here.row) {
        shared.of_warp[warp_of_block()] = here;
        shared.block_of_warp[warp_of_block()] = best_block;
      }
      __syncthreads();
      const bool has_warp = lane_of_warp() < kSampleWarps;
      const Farthest other = has_warp ? shared.of_warp[lane_of_warp()] : Farthest{-1.0f, 0xffffffffu};
      const Farthest next = farthest_of_warp(other);
      row = -1;
      if (next.distance >= 0.0f) {
        row = next.row;
        const unsigned holders = __ballot_sync(kFullWarp, other.distance == next.distance && other.row == next.row);
        const int block = shared.block_of_warp[__ffs(holders) - 1];
        p[0] = shared.x[block], p[1] = shared.y[block], p[2] = shared.z[block];
      }
    }
    __syncthreads();  // before the shared memory serves the next cloud
  }
}

}  // namespace

int64_t farthest_point_sample_cuda_workspace(int64_t n, int64_t num_clouds) { return cut(nullptr, n, num_clouds).total; }

int farthest_point_sample_cuda(
    const float* xyz, int64_t n, const int64_t* offsets, int64_t num_clouds, int64_t num_samples, int64_t start,
    int64_t* picks, void* workspace, int64_t workspace_bytes, void* raw_stream) {
  if (num_clouds == 0 || num_samples == 0) return cudaSuccess;
  const auto stream = static_cast<cudaStream_t>(raw_stream);
  Buffers b = cut(workspace, n, num_clouds);
  if (b.total > workspace_bytes) return cudaErrorInvalidValue;
  place_curves<<<blocks_for(num_clouds, kThreads / 32), kThreads, 0, stream>>>(xyz, offsets, num_clouds, b.bounds);
  make_keys<<<blocks_for(n, kThreads), kThreads, 0, stream>>>(
      xyz, n, offsets, num_clouds, b.bounds, b.keys, b.rows);
  const int bits = kSampleKeyBits + bits_of_keys(num_clouds);
  const int error = n == 0 ? 0 : sort_pairs(
      b.temporary, b.temporary_bytes, b.keys, b.sorted_keys, b.rows, b.sorted_rows, n, bits, raw_stream);
  if (error != cudaSuccess) return error;
  gather_points<<<blocks_for(n, kThreads), kThreads, 0, stream>>>(xyz, n, offsets, b.sorted_keys, b);
  sample_clouds<<<blocks_for(num_clouds, 1), kSampleThreads, 0, stream>>>(
      xyz, offsets, num_clouds, num_samples, start, b, picks);
  return cudaGetLastError();
}

}  // namespace geopt
