// Rows are sorted by segment (stable), then one thread adds one channel of a segment up in row order: no atomics, same bits
// each run.
#include "common/cuda_sort.h"
#include "common/launch.h"
#include "ops/segment_reduce/segment_reduce.h"

namespace geopt {
namespace {

constexpr int kThreads = 256;

// Numbers of segments and rows: 32 bits where they fit, which halves what the sort moves.
template <class Number>
struct Buffers {
  Number *keys, *sorted_keys, *rows, *sorted_rows;
  int64_t* starts;
  void* temporary;
  int64_t temporary_bytes, total;
};

template <class Number>
Buffers<Number> cut(void* workspace, int64_t n, int64_t num_segments) {
  Buffers<Number> b{};
  Workspace w(workspace);
  b.keys = w.take<Number>(n);
  b.sorted_keys = w.take<Number>(n);
  b.rows = w.take<Number>(n);
  b.sorted_rows = w.take<Number>(n);
  b.starts = w.take<int64_t>(num_segments + 1);
  b.temporary_bytes = sort_pairs_bytes<Number, Number>(n);
  b.temporary = w.take<char>(b.temporary_bytes);
  b.total = w.used();
  return b;
}

bool fits_32_bits(int64_t n, int64_t num_segments) {
  return n < int64_t{1} << 32 && num_segments < (int64_t{1} << 32) - 1;
}

template <class Number>
__global__ void __launch_bounds__(kThreads) make_keys(
    const int64_t* segment, int64_t n, int64_t num_segments, Number* keys, Number* rows) {
  for (int64_t i = first_thread(); i < n; i += num_threads()) {
    keys[i] = static_cast<Number>(segment[i] < 0 ? num_segments : segment[i]);  // rows of no segment sort last
    rows[i] = static_cast<Number>(i);
  }
}

template <class Number>
__global__ void __launch_bounds__(kThreads) find_starts(
    const Number* keys, int64_t n, int64_t num_segments, int64_t* starts) {
  for (int64_t s = first_thread(); s <= num_segments; s += num_threads()) {
    int64_t low = 0, high = n;  // first row with key >= s
    while (low < high) {
      const int64_t middle = (low + high) / 2;
      if (keys[middle] < static_cast<Number>(s)) low = middle + 1;
      else high = middle;
    }
    starts[s] = low;
  }
}

template <class T, class Number>
__global__ void __launch_bounds__(kThreads) reduce_segments(
    const T* values, const Number* rows, const int64_t* starts, int64_t channels, int64_t num_segments, Reduce reduce,
    T* out, int64_t* counts_or_argmax) {
  for (int64_t i = first_thread(); i < num_segments * channels; i += num_threads()) {
    const int64_t s = i / channels, c = i - s * channels, first = starts[s], end = starts[s + 1];
    T result = T(0);
    int64_t arg = -1;
    for (int64_t at = first; at < end; ++at) {
      const int64_t row = rows[at];
      const T value = values[row * channels + c];
      if (reduce != Reduce::kMax) {
        result += value;
      } else if (arg < 0 || takes_over(value, result)) {
        result = value;
        arg = row;
      }
    }
    if (reduce == Reduce::kMean && end > first) result /= static_cast<T>(end - first);
    if (reduce == Reduce::kMax) counts_or_argmax[i] = arg;
    out[i] = result;
  }
}

__global__ void __launch_bounds__(kThreads) count_rows(const int64_t* starts, int64_t num_segments, int64_t* counts) {
  for (int64_t s = first_thread(); s < num_segments; s += num_threads()) counts[s] = starts[s + 1] - starts[s];
}

template <class T>
__global__ void __launch_bounds__(kThreads) spread_gradient(
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

template <class Number, class T>
int reduce_typed(
    const T* values, const int64_t* segment, int64_t n, int64_t channels, int64_t num_segments, Reduce reduce, T* out,
    int64_t* counts_or_argmax, void* workspace, int64_t workspace_bytes, void* raw_stream) {
  const auto stream = static_cast<cudaStream_t>(raw_stream);
  const auto b = cut<Number>(workspace, n, num_segments);
  if (b.total > workspace_bytes) return cudaErrorInvalidValue;
  if (n > 0) {
    make_keys<<<blocks_for(n, kThreads), kThreads, 0, stream>>>(segment, n, num_segments, b.keys, b.rows);
    const int error = sort_pairs(
        b.temporary, b.temporary_bytes, b.keys, b.sorted_keys, b.rows, b.sorted_rows, n,
        bits_of_keys(num_segments + 1), raw_stream);
    if (error != cudaSuccess) return error;
  }
  find_starts<<<blocks_for(num_segments + 1, kThreads), kThreads, 0, stream>>>(
      b.sorted_keys, n, num_segments, b.starts);
  if (reduce != Reduce::kMax)
    count_rows<<<blocks_for(num_segments, kThreads), kThreads, 0, stream>>>(b.starts, num_segments, counts_or_argmax);
  reduce_segments<<<blocks_for(num_segments * channels, kThreads), kThreads, 0, stream>>>(
      values, b.sorted_rows, b.starts, channels, num_segments, reduce, out, counts_or_argmax);
  return cudaGetLastError();
}

}  // namespace

int64_t segment_reduce_cuda_workspace(int64_t n, int64_t num_segments) {
  if (fits_32_bits(n, num_segments)) return cut<uint32_t>(nullptr, n, num_segments).total;
  return cut<uint64_t>(nullptr, n, num_segments).total;
}

template <class T>
int segment_reduce_cuda(
    const T* values, const int64_t* segment, int64_t n, int64_t channels, int64_t num_segments, Reduce reduce, T* out,
    int64_t* counts_or_argmax, void* workspace, int64_t workspace_bytes, void* stream) {
  if (num_segments == 0) return cudaSuccess;
  const auto run = fits_32_bits(n, num_segments) ? reduce_typed<uint32_t, T> : reduce_typed<uint64_t, T>;
  return run(
      values, segment, n, channels, num_segments, reduce, out, counts_or_argmax, workspace, workspace_bytes, stream);
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
