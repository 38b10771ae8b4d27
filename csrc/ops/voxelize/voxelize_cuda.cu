// One radix sort of (nested key, row), then boundaries and scans. No torch headers: raw pointers and a stream.
#include <cub/device/device_radix_sort.cuh>
#include <cub/device/device_scan.cuh>

#include <algorithm>

#include "common/launch.h"
#include "ops/voxelize/voxelize.h"

namespace geopt {
namespace {

constexpr int kThreads = 256;

int key_bits(int64_t num_clouds, const KeyLayout& layout) {
  int bits = 0;  // one more value than there are keys: points outside sort last
  while (bits < 63 && (int64_t{1} << bits) <= num_clouds * layout.cells_per_cloud) ++bits;
  return bits;
}

struct Buffers {
  uint64_t *keys, *sorted_keys;
  int64_t *rows, *sorted_rows;
  int64_t* cell_of;  // per level and sorted position: number of cells up to and including it
  void* temporary;
  size_t temporary_bytes;
  int64_t total;
};

Buffers cut(void* workspace, int64_t n, int num_levels) {
  Buffers b{};
  size_t sort_bytes = 0, scan_bytes = 0;
  cub::DeviceRadixSort::SortPairs(
      nullptr, sort_bytes, b.keys, b.sorted_keys, b.rows, b.sorted_rows, static_cast<int64_t>(n));
  cub::DeviceScan::InclusiveSum(nullptr, scan_bytes, b.rows, b.rows, static_cast<int64_t>(n));
  Workspace w(workspace);
  b.keys = w.take<uint64_t>(n);
  b.sorted_keys = w.take<uint64_t>(n);
  b.rows = w.take<int64_t>(n);
  b.sorted_rows = w.take<int64_t>(n);
  b.cell_of = w.take<int64_t>(n * num_levels);
  b.temporary_bytes = std::max(sort_bytes, scan_bytes);
  b.temporary = w.take<char>(static_cast<int64_t>(b.temporary_bytes));
  b.total = w.used();
  return b;
}

__global__ void make_keys(
    const float* xyz, int64_t n, const int64_t* offsets, int64_t num_clouds, KeyLayout layout, uint64_t* keys,
    int64_t* rows) {
  for (int64_t i = first_thread(); i < n; i += num_threads()) {
    int64_t low = 0, high = num_clouds;  // the last cloud with offsets[cloud] <= i; empty clouds are passed over
    while (high - low > 1) {
      const int64_t middle = (low + high) / 2;
      if (offsets[middle] <= i) low = middle; else high = middle;
    }
    const int64_t key = point_key(layout, xyz + 3 * i);
    keys[i] = static_cast<uint64_t>(key < 0 ? num_clouds * layout.cells_per_cloud : low * layout.cells_per_cloud + key);
    rows[i] = i;
  }
}

__global__ void mark_cells(const uint64_t* keys, int64_t n, uint64_t outside, KeyLayout layout, int64_t* cell_of) {
  for (int64_t i = first_thread(); i < n; i += num_threads()) {
    for (int l = 0; l < layout.num_levels; ++l) {
      const uint64_t divisor = static_cast<uint64_t>(layout.divisor[l]);
      const bool first = keys[i] < outside && (i == 0 || keys[i] / divisor != keys[i - 1] / divisor);
      cell_of[l * n + i] = first;
    }
  }
}

__global__ void count_kept(
    const uint64_t* keys, int64_t n, uint64_t outside, const int64_t* cell_of, int num_levels, int64_t* counts) {
  for (int64_t i = first_thread(); i < n; i += num_threads()) {
    if (keys[i] < outside && (i + 1 == n || keys[i + 1] >= outside)) counts[0] = i + 1;
    if (i + 1 == n)
      for (int l = 0; l < num_levels; ++l) counts[1 + l] = cell_of[l * n + i];
  }
}

struct Sizes {
  int64_t kept;
  int64_t cells[kMaxLevels];
};

__global__ void write_cells(
    const uint64_t* keys, const int64_t* rows, int64_t n, KeyLayout layout, Sizes sizes, const int64_t* cell_of,
    int64_t* order, int64_t* point_to_token, int64_t* out_keys, int64_t* out_starts) {
  for (int64_t i = first_thread(); i < n; i += num_threads()) {
    if (i >= sizes.kept) {
      point_to_token[rows[i]] = -1;
      continue;
    }
    order[i] = rows[i];
    point_to_token[rows[i]] = cell_of[i] - 1;
    int64_t before = 0;  // cells of the coarser levels
    for (int l = 0; l < layout.num_levels; ++l) {
      const int64_t cell = cell_of[l * n + i];
      if (i == 0 || cell_of[l * n + i - 1] != cell) {
        out_keys[before + cell - 1] = static_cast<int64_t>(keys[i]) / layout.divisor[l];
        out_starts[before + l + cell - 1] = i;
      }
      if (i + 1 == sizes.kept) out_starts[before + l + sizes.cells[l]] = sizes.kept;
      before += sizes.cells[l];
    }
  }
}

}  // namespace

int64_t voxel_index_cuda_workspace(int64_t n, int num_levels) { return cut(nullptr, n, num_levels).total; }

int voxel_index_cuda_sort(
    const float* xyz, int64_t n, const int64_t* offsets, int64_t num_clouds, const KeyLayout& layout, void* workspace,
    int64_t workspace_bytes, int64_t* counts, void* raw_stream) {
  const auto stream = static_cast<cudaStream_t>(raw_stream);
  cudaError_t error = cudaMemsetAsync(counts, 0, sizeof(int64_t) * (1 + layout.num_levels), stream);
  if (error != cudaSuccess || n == 0) return error;
  Buffers b = cut(workspace, n, layout.num_levels);
  if (b.total > workspace_bytes) return cudaErrorInvalidValue;
  const unsigned blocks = blocks_for(n, kThreads);
  const uint64_t outside = static_cast<uint64_t>(num_clouds * layout.cells_per_cloud);
  make_keys<<<blocks, kThreads, 0, stream>>>(xyz, n, offsets, num_clouds, layout, b.keys, b.rows);
  error = cub::DeviceRadixSort::SortPairs(
      b.temporary, b.temporary_bytes, b.keys, b.sorted_keys, b.rows, b.sorted_rows, n, 0, key_bits(num_clouds, layout),
      stream);
  if (error != cudaSuccess) return error;
  mark_cells<<<blocks, kThreads, 0, stream>>>(b.sorted_keys, n, outside, layout, b.cell_of);
  for (int l = 0; l < layout.num_levels; ++l) {
    error = cub::DeviceScan::InclusiveSum(
        b.temporary, b.temporary_bytes, b.cell_of + l * n, b.cell_of + l * n, n, stream);
    if (error != cudaSuccess) return error;
  }
  count_kept<<<blocks, kThreads, 0, stream>>>(b.sorted_keys, n, outside, b.cell_of, layout.num_levels, counts);
  return cudaGetLastError();
}

int voxel_index_cuda_write(
    int64_t n, const KeyLayout& layout, const int64_t* host_counts, void* workspace, int64_t* order,
    int64_t* point_to_token, int64_t* keys, int64_t* starts, void* raw_stream) {
  const auto stream = static_cast<cudaStream_t>(raw_stream);
  Sizes sizes{host_counts[0], {}};
  for (int l = 0; l < layout.num_levels; ++l) sizes.cells[l] = host_counts[1 + l];
  if (sizes.kept == 0) {  // no thread would close the empty lists
    cudaError_t error = cudaMemsetAsync(starts, 0, sizeof(int64_t) * layout.num_levels, stream);
    if (error == cudaSuccess && n > 0) error = cudaMemsetAsync(point_to_token, 0xff, sizeof(int64_t) * n, stream);
    return error;
  }
  Buffers b = cut(workspace, n, layout.num_levels);
  write_cells<<<blocks_for(n, kThreads), kThreads, 0, stream>>>(
      b.sorted_keys, b.sorted_rows, n, layout, sizes, b.cell_of, order, point_to_token, keys, starts);
  return cudaGetLastError();
}

}  // namespace geopt
