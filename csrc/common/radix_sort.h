// Stable radix sort in parallel chunks; the same order with any number of threads.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "common/parallel.h"

namespace geopt {

inline int bits_for(uint64_t count) {  // bits that hold 0 .. count - 1
  int bits = 0;
  while (bits < 63 && (uint64_t{1} << bits) < count) ++bits;
  return bits;
}

// Chunks worth cutting n elements into: smaller ones cost more in histograms than they save.
inline int num_sort_chunks(int64_t n) { return static_cast<int>(std::clamp<int64_t>(n / 8192, 1, num_threads())); }

// Least significant digit first. key(element) is the unsigned number to sort by, of which key_bits are used.
template <class E, class Key>
void radix_sort(std::vector<E>& elements, std::vector<E>& spare, const Key& key, int key_bits, int num_chunks) {
  constexpr int kRadixBits = 11;
  constexpr int kBuckets = 1 << kRadixBits;
  const int64_t n = static_cast<int64_t>(elements.size());
  spare.resize(n);
  std::vector<std::array<int64_t, kBuckets>> histogram(num_chunks);
  for (int shift = 0; shift < key_bits; shift += kRadixBits) {
    parallel_for(0, num_chunks, 1, [&](int64_t from, int64_t to) {
      for (int64_t c = from; c < to; ++c) {
        auto& counts = histogram[c];
        counts.fill(0);
        for (int64_t i = n * c / num_chunks; i < n * (c + 1) / num_chunks; ++i)
          ++counts[key(elements[i]) >> shift & (kBuckets - 1)];
      }
    });
    int64_t total = 0;  // chunks, not threads, decide where each element goes
    for (int bucket = 0; bucket < kBuckets; ++bucket)
      for (int c = 0; c < num_chunks; ++c) {
        const int64_t count = histogram[c][bucket];
        histogram[c][bucket] = total;
        total += count;
      }
    parallel_for(0, num_chunks, 1, [&](int64_t from, int64_t to) {
      for (int64_t c = from; c < to; ++c) {
        auto& next = histogram[c];
        for (int64_t i = n * c / num_chunks; i < n * (c + 1) / num_chunks; ++i)
          spare[next[key(elements[i]) >> shift & (kBuckets - 1)]++] = elements[i];
      }
    });
    elements.swap(spare);
  }
}

}  // namespace geopt
