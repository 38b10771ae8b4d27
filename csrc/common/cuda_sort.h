// Stable sorts of keys with their rows on a GPU: CUB, compiled once for all ops. Pairs of 32-bit keys and rows, 64-bit
// keys and 32-bit rows, or 64 bits each.
#pragma once

#include <cstdint>

namespace geopt {

// Bytes of temporary memory for n pairs; 0 where there is no GPU, since CUB asks the device.
template <class Key, class Row>
int64_t sort_pairs_bytes(int64_t n);

// Sorts by the lowest `bits` bits of the keys, equal keys as they come. Returns a cudaError_t.
template <class Key, class Row>
int sort_pairs(
    void* temporary, int64_t temporary_bytes, const Key* keys, Key* sorted_keys, const Row* rows, Row* sorted_rows,
    int64_t n, int bits, void* stream);

// Bits of the largest of `count` keys 0 .. count - 1, at least one.
inline int bits_of_keys(int64_t count) {
  int bits = 1;
  while (bits < 63 && int64_t{1} << bits < count) ++bits;
  return bits;
}

}  // namespace geopt
