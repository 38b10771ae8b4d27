// Rows are sorted by segment (stable), then one block walks each segment in row order: no atomics, same bits each run.
#include <cub/device/device_radix_sort.cuh>

#include "common/launch.h"
#include "ops/segment_reduce/segment_reduce.h"

namespace geopt {
namespace {

constexpr int kThreads = 128;

struct Buffers {
  uint64_t *keys, *sorted_keys;
  int64_t *rows, *sorted_rows, *starts;
  void* temporary;
  size_t temporary_bytes;
  int64_t total;
};

Buffers cut(void* workspace, int64_t n, int64_t num_segments) {
  Buffers b{};
  cub::DeviceRadixSort::SortPairs(nullptr, b.temporary_bytes, b.keys, b.sorted_keys, b.rows, b.sorted_rows, n);
  Workspace w(workspace);
  b.keys = w.take<uint64_t>(n);
  b.sorted_keys = w.take<uint64_t>(n);
  b.rows = w.take<int64_t>(n);
  b.sorted_rows = w.take<int64_t>(n);
  b.starts = w.take<int64_t>(num_segments + 1);
  b.temporary = w.take<char>(static_cast<int64_t>(b.temporary_bytes));
  b.total = w.used();
  return b;
}

__global__ void make_keys(const int64_t* segment, int64_t n, int64_t num_segments, uint64_t* keys, int64_t* rows) {
  for (int64_t i = first_thread(); i < n; i += num_threads()) {
    keys[i] = static_cast<uint64_t>(segment[i] < 0 ? num_segments : segment[i]);  // rows of no segment sort last
    rows[i] = i;
  }
}

__global__ void find_starts(const uint64_t* keys, int64_t n, int64_t num_segments, int64_t* starts) {
  for (int64_t s = first_thread(); s <= num_segments; s += num_threads()) {
    int64_t low = 0, high = n;  // first row with key >= s
    while (low < high) {
      const int64_t middle = (low + high) / 2;
      if (keys[middle] < static_cast<uint64_t>(s)) low = middle + 1; else high = middle;
    }
    starts[s] = low;
  }
}

template <class T>
__global__ void reduce_segments(
    const T* values, const int64_t* rows, const int64_t* starts, int64_t channels, int64_t num_segments, Reduce reduce,
    T* out, int64_t* counts_or_argmax) {
  for (int64_t s = blockIdx.x; s < num_segments; s += gridDim.x) {
    const int64_t first = starts[s], end = starts[s + 1];
    if (reduce != Reduce::kMax && threadIdx.x == 0) counts_or_argmax[s] = end - first;
    for (int64_t c = threadIdx.x; c < channels; c += blockDim.x) {
      T result = T(0);
      int64_t arg = -1;
      for (int64_t i = first; i < end; ++i) {
        const T value = values[rows[i] * channels + c];
        if (reduce != Reduce::kMax) {
          result += value;
        } else if (arg < 0 || takes_over(value, result)) {
          result = value;
          arg = rows[i];
        }
      }
      if (reduce == Reduce::kMean && end > first) result /= static_cast<T>(end - first);
      if (reduce == Reduce::kMax) counts_or_argmax[s * channels + c] = arg;
      out[s * channels + c] = result;
    }
  }
}

template <class T>
__global__ void spread_gradient(
    const T* grad, const int64_t* segment, const int64_t* counts_or_argmax, int64_t n, int64_t channels,
    int64_t num_segments, Reduce reduce, T* grad_values) {
  for (int64_t i = first_thread(); i < n * channels; i += num_threads()) {
    const int64_t row = i / channels, c = i % channels, s = segment[row];
    T value = T(0);
    if (s >= 0 && s < num_segments) {  // a compiled graph does not check the range
      const T g = grad[s * channels + c];
      if (reduce == Reduce::kMax) value = counts_or_argmax[s * channels + c] == row ? g : T(0);
      else value = reduce == Reduce::kMean ? g / static_cast<T>(counts_or_argmax[s]) : g;
    }
    grad_values[i] = value;
  }
}

}  // namespace

int64_t segment_reduce_cuda_workspace(int64_t n, int64_t num_segments) { return cut(nullptr, n, num_segments).total; }

template <class T>
int segment_reduce_cuda(
    const T* values, const int64_t* segment, int64_t n, int64_t channels, int64_t num_segments, Reduce reduce, T* out,
    int64_t* counts_or_argmax, void* workspace, int64_t workspace_bytes, void* raw_stream) {
  if (num_segments == 0) return cudaSuccess;
  const auto stream = static_cast<cudaStream_t>(raw_stream);
  Buffers b = cut(workspace, n, num_segments);
  if (b.total > workspace_bytes) return cudaErrorInvalidValue;
  if (n > 0) {
    make_keys<<<blocks_for(n, kThreads), kThreads, 0, stream>>>(segment, n, num_segments, b.keys, b.rows);
    int bits = 1;
    while (bits < 63 && (int64_t{1} << bits) <= num_segments) ++bits;
    const cudaError_t error = cub::DeviceRadixSort::SortPairs(
        b.temporary, b.temporary_bytes, b.keys, b.sorted_keys, b.rows, b.sorted_rows, n, 0, bits, stream);
    if (error != cudaSuccess) return error;
  }
  find_starts<<<blocks_for(num_segments + 1, kThreads), kThreads, 0, stream>>>(
      b.sorted_keys, n, num_segments, b.starts);
  reduce_segments<<<blocks_for(num_segments, 1), kThreads, 0, stream>>>(
      values, b.sorted_rows, b.starts, channels, num_segments, reduce, out, counts_or_argmax);
  return cudaGetLastError();
}

template <class T>
int segment_reduce_backward_cuda(
    const T* grad, const int64_t* segment, const int64_t* counts_or_argmax, int64_t n, int64_t channels,
    int64_t num_segments, Reduce reduce, T* grad_values, void* raw_stream) {
  if (n * channels == 0) return cudaSuccess;
  const auto stream = static_cast<cudaStream_t>(raw_stream);
  spread_gradient<<<blocks_for(n * channels, kThreads), kThreads, 0, stream>>>(
      grad, segment, counts_or_argmax, n, channels, num_segments, reduce, grad_values);
  return cudaGetLastError();
}

#define GEOPT_INSTANTIATE(T)                                                                                      \
  template int segment_reduce_cuda<T>(                                                                            \
      const T*, const int64_t*, int64_t, int64_t, int64_t, Reduce, T*, int64_t*, void*, int64_t, void*);          \
  template int segment_reduce_backward_cuda<T>(                                                                   \
      const T*, const int64_t*, const int64_t*, int64_t, int64_t, int64_t, Reduce, T*, void*);
GEOPT_INSTANTIATE(float)
GEOPT_INSTANTIATE(double)
#undef GEOPT_INSTANTIATE

}  // namespace geopt
