// segment_reduce and its gradient, row after row.
#include <limits>

#include "ops/segment_reduce/segment_reduce.h"
#include "tests/batches.h"

namespace geopt::test {
namespace {

bool same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

template <class T>
void test_reduce(const Batch& batch, Reduce reduce, int64_t num_segments, bool compare, Digests& digests) {
  const int64_t n = batch.num_points(), channels = 3;
  Buffer<T> values(3 * n), out(num_segments * channels), gradient(3 * n);
  Buffer<int64_t> segment(n), state(num_segments * (reduce == Reduce::kMax ? channels : 1));
  for (int64_t i = 0; i < 3 * n; ++i) values[i] = batch.xyz[i];
  for (int64_t i = 0; i < n; ++i) segment[i] = i * 7 % (num_segments + 1) - 1;
  segment_reduce_cpu<T>(
      values.data(), segment.data(), n, channels, num_segments, reduce, out.data(), state.data());
  segment_reduce_backward_cpu<T>(
      out.data(), segment.data(), state.data(), n, channels, num_segments, reduce, gradient.data());
  digests.add("segment_reduce", out);
  digests.add("segment_reduce", state);
  digests.add("segment_reduce_backward", gradient);
  if (!compare) return;
  for (int64_t s = 0; s < num_segments; ++s)
    for (int64_t c = 0; c < channels; ++c) {
      T total = 0;
      int64_t count = 0, best = -1;
      for (int64_t i = 0; i < n; ++i) {
        if (segment[i] != s) continue;
        const T value = values[i * channels + c];
        total = count == 0 ? value : total + value;
        if (best < 0 || takes_over(value, values[best * channels + c])) best = i;
        ++count;
      }
      if (reduce == Reduce::kMax) {
        CHECK(state[s * channels + c] == best);
        CHECK(same(out[s * channels + c], best < 0 ? 0 : values[best * channels + c]));
      } else {
        CHECK(state[s] == count);
        const T expected = reduce == Reduce::kMean && count > 0 ? total / static_cast<T>(count) : total;
        CHECK(same(out[s * channels + c], expected));
      }
    }
}

}  // namespace

void test_segments(const Batch& batch, bool check_results, Digests& digests) {
  for (const Reduce reduce : {Reduce::kSum, Reduce::kMean, Reduce::kMax})
    for (const int64_t num_segments : {1, 23, 700}) {
      const bool compare = check_results && batch.is_small();
      test_reduce<float>(batch, reduce, num_segments, compare, digests);
      test_reduce<double>(batch, reduce, num_segments, compare, digests);
    }
}

}  // namespace geopt::test
