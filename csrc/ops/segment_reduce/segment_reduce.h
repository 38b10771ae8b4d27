// Reduce rows that share a segment number. Rows of a segment are taken in row order on every back end, so the
// result has the same bits with any number of threads.
#pragma once

#include <cstdint>

#include "common/macros.h"

namespace geopt {

enum class Reduce : int64_t { kSum = 0, kMean = 1, kMax = 2 };

// True when `value` takes the place of `best`: the first NaN stays, ties keep the earlier row.
template <class T>
GEOPT_HD bool takes_over(T value, T best) {
  return best == best && !(value <= best);
}

// values (n, channels), segment (n) in [0, num_segments) or -1. Writes out (num_segments, channels), 0 where a segment
// is empty, and either counts (num_segments) for sum and mean or argmax (num_segments, channels), -1 where empty.
template <class T>
void segment_reduce_cpu(
    const T* values, const int64_t* segment, int64_t n, int64_t channels, int64_t num_segments, Reduce reduce, T* out,
    int64_t* counts_or_argmax);

// grad (num_segments, channels) -> grad_values (n, channels).
template <class T>
void segment_reduce_backward_cpu(
    const T* grad, const int64_t* segment, const int64_t* counts_or_argmax, int64_t n, int64_t channels,
    int64_t num_segments, Reduce reduce, T* grad_values);

#ifdef GEOPT_WITH_CUDA
int64_t segment_reduce_cuda_workspace(int64_t n, int64_t num_segments);
template <class T>
int segment_reduce_cuda(
    const T* values, const int64_t* segment, int64_t n, int64_t channels, int64_t num_segments, Reduce reduce, T* out,
    int64_t* counts_or_argmax, void* workspace, int64_t workspace_bytes, void* stream);
template <class T>
int segment_reduce_backward_cuda(
    const T* grad, const int64_t* segment, const int64_t* counts_or_argmax, int64_t n, int64_t channels,
    int64_t num_segments, Reduce reduce, T* grad_values, void* stream);
#endif

}  // namespace geopt
