#include "ops/segment_reduce/segment_reduce.h"

#include <algorithm>
#include <memory>
#include <type_traits>

#include "common/parallel.h"

namespace geopt {
namespace {

// Up to three channels and a count, added as one vector.
typedef float FourFloats __attribute__((vector_size(16)));

// The segments of one part, from rows of at most three float32. Each channel is summed in row order, as in the loop for
// any number of channels, to the same bits; counts are exact, since there are fewer than 2**24 rows.
template <int kChannels>
void sum_narrow(
    const float* values, const int64_t* segment, int64_t n, int64_t first, int64_t end, bool mean, float* out,
    int64_t* counts) {
  const std::unique_ptr<FourFloats[]> sums(new FourFloats[end - first]());
  for (int64_t i = 0; i < n; ++i) {
    const int64_t s = segment[i];
    if (s < first || s >= end) continue;
    const float* const row = values + i * kChannels;
    sums[s - first] += FourFloats{row[0], kChannels > 1 ? row[1] : 0.0f, kChannels > 2 ? row[2] : 0.0f, 1.0f};
  }
  for (int64_t s = first; s < end; ++s) {
    const FourFloats sum = sums[s - first];
    const float divisor = mean && sum[3] > 0 ? sum[3] : 1.0f;
    for (int c = 0; c < kChannels; ++c) out[s * kChannels + c] = sum[c] / divisor;
    counts[s] = static_cast<int64_t>(sum[3]);
  }
}

bool is_narrow(int64_t n, int64_t channels) { return channels >= 1 && channels <= 3 && n < int64_t{1} << 24; }

}  // namespace

template <class T>
void segment_reduce_cpu(
    const T* values, const int64_t* segment, int64_t n, int64_t channels, int64_t num_segments, Reduce reduce, T* out,
    int64_t* counts_or_argmax) {
  // Each part owns a range of segments and reads every row's number: no sort, no atomics, rows in row order.
  const int64_t parts = std::clamp<int64_t>(n * channels / 16384, 1, num_threads());
  parallel_for(0, parts, 1, [&](int64_t from, int64_t to) {
    for (int64_t part = from; part < to; ++part) {
      const int64_t first = num_segments * part / parts, end = num_segments * (part + 1) / parts;
      if constexpr (std::is_same_v<T, float>) {
        if (reduce != Reduce::kMax && is_narrow(n, channels)) {
          const auto sum = channels == 1 ? sum_narrow<1> : channels == 2 ? sum_narrow<2> : sum_narrow<3>;
          sum(values, segment, n, first, end, reduce == Reduce::kMean, out, counts_or_argmax);
          continue;
        }
      }
      std::fill(out + first * channels, out + end * channels, T(0));
      if (reduce == Reduce::kMax) {
        std::fill(counts_or_argmax + first * channels, counts_or_argmax + end * channels, int64_t{-1});
        for (int64_t i = 0; i < n; ++i) {
          const int64_t s = segment[i];
          if (s < first || s >= end) continue;
          const T* row = values + i * channels;
          T* best = out + s * channels;
          int64_t* arg = counts_or_argmax + s * channels;
          for (int64_t c = 0; c < channels; ++c)
            if (arg[c] < 0 || takes_over(row[c], best[c])) {
              best[c] = row[c];
              arg[c] = i;
            }
        }
        continue;
      }
      std::fill(counts_or_argmax + first, counts_or_argmax + end, int64_t{0});
      for (int64_t i = 0; i < n; ++i) {
        const int64_t s = segment[i];
        if (s < first || s >= end) continue;
        const T* row = values + i * channels;
        T* sum = out + s * channels;
        for (int64_t c = 0; c < channels; ++c) sum[c] += row[c];
        ++counts_or_argmax[s];
      }
      if (reduce == Reduce::kMean)
        for (int64_t s = first; s < end; ++s)
          if (counts_or_argmax[s] > 0)
            for (int64_t c = 0; c < channels; ++c) out[s * channels + c] /= static_cast<T>(counts_or_argmax[s]);
    }
  });
}

template <class T>
void segment_reduce_backward_cpu(
    const T* grad, const int64_t* segment, const int64_t* counts_or_argmax, int64_t n, int64_t channels,
    int64_t num_segments, Reduce reduce, T* grad_values) {
  const int64_t grain = std::max<int64_t>(1, 16384 / std::max<int64_t>(channels, 1));
  if (reduce == Reduce::kMax) {
    std::fill(grad_values, grad_values + n * channels, T(0));
    parallel_for(0, num_segments, grain, [&](int64_t from, int64_t to) {
      for (int64_t i = from * channels; i < to * channels; ++i)
        if (counts_or_argmax[i] >= 0) grad_values[counts_or_argmax[i] * channels + i % channels] = grad[i];
    });
    return;
  }
  parallel_for(0, n, grain, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) {
      const int64_t s = segment[i];
      T* row = grad_values + i * channels;
      if (s < 0) {
        std::fill(row, row + channels, T(0));
        continue;
      }
      const T scale = reduce == Reduce::kMean ? static_cast<T>(counts_or_argmax[s]) : T(1);
      for (int64_t c = 0; c < channels; ++c) row[c] = grad[s * channels + c] / scale;
    }
  });
}

#define GEOPT_INSTANTIATE(T)                                                                                   \
  template void segment_reduce_cpu<T>(const T*, const int64_t*, int64_t, int64_t, int64_t, Reduce, T*, int64_t*); \
  template void segment_reduce_backward_cpu<T>(                                                                \
      const T*, const int64_t*, const int64_t*, int64_t, int64_t, int64_t, Reduce, T*);
GEOPT_INSTANTIATE(float)
GEOPT_INSTANTIATE(double)
#undef GEOPT_INSTANTIATE

}  // namespace geopt
