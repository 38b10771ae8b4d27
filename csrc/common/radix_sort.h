// Stable radix sort in parallel chunks; the same order with any number of threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>

#include "common/parallel.h"

namespace geopt {

inline int bits_for(uint64_t count) {  // bits that hold 0 .. count - 1
  int bits = 0;
  while (bits < 63 && (uint64_t{1} << bits) < count) ++bits;
  return bits;
}

// Chunks worth cutting n elements into: smaller ones cost more in histograms, and in waking threads, than they save.
inline int num_sort_chunks(int64_t n) { return static_cast<int>(std::clamp<int64_t>(n / 32768, 1, num_threads())); }

// Memory that is written before it is read.
template <class T>
std::unique_ptr<T[]> uninitialized(int64_t size) {
  return std::unique_ptr<T[]>(new T[size]);
}

namespace radix {

// Digits as wide as their histogram is small beside a chunk, at most 15 bits: one pass less beats the wider spread of
// its writes, which stay in the second cache.
inline int most_digit_bits(int64_t n, int num_chunks) {
  return std::clamp(bits_for(static_cast<uint64_t>(n / num_chunks)), 8, 15);
}

inline int num_passes(int64_t n, int key_bits, int num_chunks) {
  const int most = most_digit_bits(n, num_chunks);
  return (key_bits + most - 1) / most;
}

// Loops over elements stand in functions of their own: called with copies of what they use, the compiler knows that
// writing elements changes none of it.

template <class Count, class E, class Key>
void count(const E* begin, const E* end, Key key, int shift, uint64_t mask, Count* counts) {
  std::fill(counts, counts + mask + 1, Count{0});
  for (const E* element = begin; element < end; ++element) ++counts[key(*element) >> shift & mask];
}

template <class Count, class E, class Key>
void scatter(const E* begin, const E* end, Key key, int shift, uint64_t mask, Count* next, E* to) {
  for (const E* element = begin; element < end; ++element) to[next[key(*element) >> shift & mask]++] = *element;
}

// Sorts by digits of `bits` bits, the least significant first; returns which of the two arrays holds the result.
template <class Count, class E, class Key>
E* sort(E* elements, E* spare, int64_t n, Key key, int passes, int bits, int num_chunks) {
  const int64_t num_buckets = int64_t{1} << bits;
  const uint64_t mask = static_cast<uint64_t>(num_buckets - 1);
  const auto counts = uninitialized<Count>(num_chunks * num_buckets);
  const auto for_each_chunk = [&](const auto& body) {
    parallel_for(0, num_chunks, 1, [&](int64_t from, int64_t to) {
      for (int64_t c = from; c < to; ++c) body(c, elements + n * c / num_chunks, elements + n * (c + 1) / num_chunks);
    });
  };
  // Asked for in order, memory answers sooner than where elements land.
  for (int64_t i = 0; i < n; i += 64 / sizeof(E)) __builtin_prefetch(spare + i, 1);
  for (int pass = 0; pass < passes; ++pass) {
    const int shift = pass * bits;
    for_each_chunk([&](int64_t c, const E* begin, const E* end) {
      count(begin, end, key, shift, mask, counts.get() + c * num_buckets);
    });
    Count total = 0;  // chunks, not threads, decide where each element goes
    for (int64_t bucket = 0; bucket < num_buckets; ++bucket)
      for (int c = 0; c < num_chunks; ++c) {
        Count& place = counts[c * num_buckets + bucket];
        const Count size = place;
        place = total;
        total += size;
      }
    for_each_chunk([&](int64_t c, const E* begin, const E* end) {
      scatter(begin, end, key, shift, mask, counts.get() + c * num_buckets, spare);
    });
    std::swap(elements, spare);
  }
  return elements;
}

}  // namespace radix

// key(element) is the unsigned number to sort by, of which key_bits are used. Returns `elements` or `spare`, whichever
// holds the result; the other is overwritten.
template <class E, class Key>
E* radix_sort(E* elements, E* spare, int64_t n, const Key& key, int key_bits, int num_chunks) {
  const int passes = radix::num_passes(n, key_bits, num_chunks);
  if (passes == 0) return elements;
  const int bits = (key_bits + passes - 1) / passes;
  if (n < int64_t{1} << 32) return radix::sort<uint32_t>(elements, spare, n, key, passes, bits, num_chunks);
  return radix::sort<int64_t>(elements, spare, n, key, passes, bits, num_chunks);
}

}  // namespace geopt
