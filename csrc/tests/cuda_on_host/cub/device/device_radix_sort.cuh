// What the kernels use of CUB's sorts, on the host.
#pragma once

#include <algorithm>
#include <numeric>
#include <vector>

namespace cub {

struct DeviceRadixSort {
  template <class Key, class Value>
  static cudaError_t SortPairs(
      void* temporary, size_t& bytes, const Key* keys, Key* sorted_keys, const Value* values, Value* sorted_values,
      int64_t n, int begin_bit = 0, int end_bit = sizeof(Key) * 8, cudaStream_t = nullptr) {
    if (temporary == nullptr) return bytes = 1, cudaSuccess;
    const Key above = end_bit >= static_cast<int>(sizeof(Key) * 8) ? ~Key{0} : (Key{1} << end_bit) - 1;
    const auto digits = [&](int64_t i) { return (keys[i] & above) >> begin_bit; };
    std::vector<int64_t> order(n);
    std::iota(order.begin(), order.end(), int64_t{0});
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return digits(a) < digits(b); });
    for (int64_t i = 0; i < n; ++i) sorted_keys[i] = keys[order[i]], sorted_values[i] = values[order[i]];
    return cudaSuccess;
  }
};

}  // namespace cub
