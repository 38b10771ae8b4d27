// One radix sort of (nested key, row). Cells are then counted in tiles of the sorted points, the tiles' counts are summed
// up, and each tile writes its cells behind those of the tiles before. No torch headers: raw pointers and a stream.
#include "common/cuda_offsets.h"
#include "common/cuda_sort.h"
#include "common/cuda_warp.h"
#include "common/launch.h"
#include "ops/voxelize/voxelize.h"

namespace geopt {
namespace {

constexpr int kThreads = 256;  // and points of a tile
constexpr int kWarps = kThreads / 32;
constexpr int kScanThreads = 1024;

template <class Key, class Row>
struct Buffers {
  Key *keys, *sorted_keys;
  Row *rows, *sorted_rows;
  int64_t* tile_counts;  // (1 + num_levels, tiles): points inside, cells that begin; summed up later
  void* temporary;
  int64_t temporary_bytes, total;
};

template <class Key, class Row>
Buffers<Key, Row> cut(void* workspace, int64_t n, int num_levels) {
  Buffers<Key, Row> b{};
  Workspace w(workspace);
  b.keys = w.take<Key>(n);
  b.sorted_keys = w.take<Key>(n);
  b.rows = w.take<Row>(n);
  b.sorted_rows = w.take<Row>(n);
  b.tile_counts = w.take<int64_t>(units_for(n, kThreads) * (1 + num_levels));
  b.temporary_bytes = sort_pairs_bytes<Key, Row>(n);
  b.temporary = w.take<char>(b.temporary_bytes);
  b.total = w.used();
  return b;
}

// One more value than there are keys: points outside sort last.
int64_t key_outside(int64_t num_clouds, const KeyLayout& layout) { return num_clouds * layout.cells_per_cloud; }

template <class Key, class Row>
__global__ void __launch_bounds__(kThreads) make_keys(
    const float* xyz, int64_t n, const int64_t* offsets, int64_t num_clouds, KeyLayout layout, Key* keys, Row* rows) {
  for (int64_t i = first_thread(); i < n; i += num_threads()) {
    const int64_t key = point_key(layout, xyz + 3 * i);
    const int64_t cloud = key < 0 ? num_clouds : cloud_of_row(offsets, num_clouds, i);
    keys[i] = static_cast<Key>(cloud * layout.cells_per_cloud + (key < 0 ? 0 : key));
    rows[i] = static_cast<Row>(i);
  }
}

// First level whose cell begins at sorted point i; num_levels where none does, or where the point is outside.
template <class Key>
__device__ int level_begun_at(const Key* keys, int64_t i, int64_t n, Key outside, const KeyLayout& layout) {
  if (i >= n || keys[i] >= outside) return layout.num_levels;
  return first_new_level<Key>(layout, keys[i], i == 0 ? static_cast<Key>(-1) : keys[i] - keys[i - 1]);
}

template <class Key>
__global__ void __launch_bounds__(kThreads) count_in_tiles(
    const Key* keys, int64_t n, Key outside, KeyLayout layout, int64_t tiles, int64_t* tile_counts) {
  for (int64_t tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
    const int64_t i = tile * kThreads + threadIdx.x;
    const int level = level_begun_at(keys, i, n, outside, layout);
    const int inside = __syncthreads_count(i < n && keys[i] < outside);
    if (threadIdx.x == 0) tile_counts[tile] = inside;
    for (int l = 0; l < layout.num_levels; ++l) {
      const int begun = __syncthreads_count(level <= l);
      if (threadIdx.x == 0) tile_counts[(1 + l) * tiles + tile] = begun;
    }
  }
}

// One block for each row of tile_counts: every entry becomes the sum of those before it, and the total goes to counts.
__global__ void __launch_bounds__(kScanThreads) sum_up_tiles(int64_t tiles, int64_t* tile_counts, int64_t* counts) {
  __shared__ int64_t of_warp[32];
  int64_t* const row = tile_counts + blockIdx.x * tiles;
  int64_t before = 0;
  for (int64_t first = 0; first < tiles; first += kScanThreads) {
    const int64_t tile = first + threadIdx.x;
    const int64_t own = tile < tiles ? row[tile] : 0, up_to = inclusive_sum_of_warp(own);
    if (lane_of_warp() == 31) of_warp[warp_of_block()] = up_to;
    __syncthreads();
    const int64_t warps = inclusive_sum_of_warp(of_warp[lane_of_warp()]);
    const int64_t warps_before = __shfl_sync(kFullWarp, static_cast<long long>(warps), (warp_of_block() + 31) % 32);
    if (tile < tiles) row[tile] = before + (warp_of_block() > 0 ? warps_before : 0) + up_to - own;
    before += __shfl_sync(kFullWarp, static_cast<long long>(warps), 31);
    __syncthreads();
  }
  if (threadIdx.x == 0) counts[blockIdx.x] = before;
}

// One block. The host reads the number with the sizes, instead of waiting for an answer before.
__global__ void __launch_bounds__(kScanThreads) count_wrong_offsets(
    const int64_t* offsets, int64_t count, int64_t num_rows, int64_t* wrong) {
  int64_t found = 0;
  for (int64_t first = 0; first < count; first += kScanThreads) {
    const int64_t i = first + threadIdx.x;
    found += __syncthreads_count(i < count && !offset_fits(offsets, count, num_rows, i));
  }
  if (threadIdx.x == 0) *wrong = found;
}

struct Sizes {
  int64_t kept;
  int64_t cells[kMaxLevels];
};

template <class Key, class Row>
__global__ void __launch_bounds__(kThreads) write_tiles(
    const Key* keys, const Row* rows, int64_t n, KeyLayout layout, const __grid_constant__ Sizes sizes, Key outside, int64_t tiles,
    const int64_t* cells_before, int64_t* order, int64_t* point_to_token, int64_t* out_keys, int64_t* out_starts) {
  __shared__ int of_warp[kMaxLevels][kWarps];
  for (int64_t tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
    const int64_t i = tile * kThreads + threadIdx.x;
    const int level = level_begun_at(keys, i, n, outside, layout);
    for (int l = 0; l < layout.num_levels; ++l) {
      const unsigned begun = __ballot_sync(kFullWarp, level <= l);
      if (lane_of_warp() == 0) of_warp[l][warp_of_block()] = __popc(begun);
    }
    __syncthreads();
    if (i < n && i < sizes.kept) order[i] = static_cast<int64_t>(rows[i]);
    int64_t before_level = 0;  // cells of the coarser levels
    for (int l = 0; l < layout.num_levels; ++l) {
      const unsigned begun = __ballot_sync(kFullWarp, level <= l);
      int64_t cell = cells_before[(1 + l) * tiles + tile] + __popc(begun & lanes_below()) - (level <= l ? 0 : 1);
      for (int w = 0; w < warp_of_block(); ++w) cell += of_warp[l][w];
      if (level <= l) {
        out_keys[before_level + cell] = static_cast<int64_t>(keys[i] / static_cast<Key>(layout.divisor[l]));
        out_starts[before_level + l + cell] = i;
      }
      if (i + 1 == sizes.kept) out_starts[before_level + l + sizes.cells[l]] = sizes.kept;
      if (l == 0 && i < n) point_to_token[rows[i]] = i < sizes.kept ? cell : -1;
      before_level += sizes.cells[l];
    }
    __syncthreads();
  }
}

template <class Key, class Row>
int sort_typed(
    const float* xyz, int64_t n, const int64_t* offsets, int64_t num_clouds, const KeyLayout& layout, void* workspace,
    int64_t workspace_bytes, int64_t* counts, void* raw_stream) {
  const auto stream = static_cast<cudaStream_t>(raw_stream);
  const auto b = cut<Key, Row>(workspace, n, layout.num_levels);
  if (b.total > workspace_bytes) return cudaErrorInvalidValue;
  const int64_t outside = key_outside(num_clouds, layout), tiles = units_for(n, kThreads);
  make_keys<<<blocks_for(n, kThreads), kThreads, 0, stream>>>(xyz, n, offsets, num_clouds, layout, b.keys, b.rows);
  const int error = sort_pairs(
      b.temporary, b.temporary_bytes, b.keys, b.sorted_keys, b.rows, b.sorted_rows, n, bits_of_keys(outside + 1),
      raw_stream);
  if (error != cudaSuccess) return error;
  count_in_tiles<<<blocks_for(tiles, 1), kThreads, 0, stream>>>(
      b.sorted_keys, n, static_cast<Key>(outside), layout, tiles, b.tile_counts);
  sum_up_tiles<<<1 + layout.num_levels, kScanThreads, 0, stream>>>(tiles, b.tile_counts, counts);
  return cudaGetLastError();
}

template <class Key, class Row>
int write_typed(
    int64_t n, int64_t num_clouds, const KeyLayout& layout, const Sizes& sizes, void* workspace, int64_t* order,
    int64_t* point_to_token, int64_t* keys, int64_t* starts, void* raw_stream) {
  const auto b = cut<Key, Row>(workspace, n, layout.num_levels);
  const int64_t tiles = units_for(n, kThreads);
  write_tiles<<<blocks_for(tiles, 1), kThreads, 0, static_cast<cudaStream_t>(raw_stream)>>>(
      b.sorted_keys, b.sorted_rows, n, layout, sizes, static_cast<Key>(key_outside(num_clouds, layout)), tiles,
      b.tile_counts, order, point_to_token, keys, starts);
  return cudaGetLastError();
}

bool fits_32_bits(int64_t count) { return count < int64_t{1} << 32; }

// Calls call(key, row) with numbers of the types that hold all keys and rows: half the bytes where 32 bits do.
template <class Call>
auto with_types(int64_t n, int64_t num_clouds, const KeyLayout& layout, const Call& call) {
  if (!fits_32_bits(n)) return call(uint64_t{}, uint64_t{});
  if (!fits_32_bits(key_outside(num_clouds, layout))) return call(uint64_t{}, uint32_t{});
  return call(uint32_t{}, uint32_t{});
}

}  // namespace

int64_t voxel_index_cuda_workspace(int64_t n, int64_t num_clouds, const KeyLayout& layout) {
  return with_types(n, num_clouds, layout, [&](auto key, auto row) {
    return cut<decltype(key), decltype(row)>(nullptr, n, layout.num_levels).total;
  });
}

int voxel_index_cuda_sort(
    const float* xyz, int64_t n, const int64_t* offsets, int64_t num_clouds, const KeyLayout& layout, void* workspace,
    int64_t workspace_bytes, int64_t* counts, void* stream) {
  count_wrong_offsets<<<1, kScanThreads, 0, static_cast<cudaStream_t>(stream)>>>(
      offsets, num_clouds + 1, n, counts + 1 + layout.num_levels);
  if (n == 0) {
    const cudaError_t error = cudaGetLastError();
    if (error != cudaSuccess) return error;
    return cudaMemsetAsync(counts, 0, sizeof(int64_t) * (1 + layout.num_levels), static_cast<cudaStream_t>(stream));
  }
  return with_types(n, num_clouds, layout, [&](auto key, auto row) {
    return sort_typed<decltype(key), decltype(row)>(
        xyz, n, offsets, num_clouds, layout, workspace, workspace_bytes, counts, stream);
  });
}

int voxel_index_cuda_write(
    int64_t n, int64_t num_clouds, const KeyLayout& layout, const int64_t* host_counts, void* workspace, int64_t* order,
    int64_t* point_to_token, int64_t* keys, int64_t* starts, void* raw_stream) {
  const auto stream = static_cast<cudaStream_t>(raw_stream);
  Sizes sizes{host_counts[0], {}};
  for (int l = 0; l < layout.num_levels; ++l) sizes.cells[l] = host_counts[1 + l];
  if (sizes.kept == 0) {  // no thread would close the empty lists
    cudaError_t error = cudaMemsetAsync(starts, 0, sizeof(int64_t) * layout.num_levels, stream);
    if (error == cudaSuccess && n > 0) error = cudaMemsetAsync(point_to_token, 0xff, sizeof(int64_t) * n, stream);
    return error;
  }
  return with_types(n, num_clouds, layout, [&](auto key, auto row) {
    return write_typed<decltype(key), decltype(row)>(
        n, num_clouds, layout, sizes, workspace, order, point_to_token, keys, starts, raw_stream);
  });
}

}  // namespace geopt
