#include "common/cuda_sort.h"

#include <cub/device/device_radix_sort.cuh>

namespace geopt {

template <class Key, class Row>
int64_t sort_pairs_bytes(int64_t n) {
  size_t bytes = 0;
  const cudaError_t error = cub::DeviceRadixSort::SortPairs(
      nullptr, bytes, static_cast<const Key*>(nullptr), static_cast<Key*>(nullptr), static_cast<const Row*>(nullptr),
      static_cast<Row*>(nullptr), n);
  if (error != cudaSuccess) cudaGetLastError();  // without a GPU; not to be found by the next call
  return static_cast<int64_t>(bytes);
}

template <class Key, class Row>
int sort_pairs(
    void* temporary, int64_t temporary_bytes, const Key* keys, Key* sorted_keys, const Row* rows, Row* sorted_rows,
    int64_t n, int bits, void* stream) {
  auto bytes = static_cast<size_t>(temporary_bytes);
  return cub::DeviceRadixSort::SortPairs(
      temporary, bytes, keys, sorted_keys, rows, sorted_rows, n, 0, bits, static_cast<cudaStream_t>(stream));
}

#define GEOPT_INSTANTIATE(Key, Row)                 \
  template int64_t sort_pairs_bytes<Key, Row>(int64_t); \
  template int sort_pairs<Key, Row>(void*, int64_t, const Key*, Key*, const Row*, Row*, int64_t, int, void*);
GEOPT_INSTANTIATE(uint32_t, uint32_t)
GEOPT_INSTANTIATE(uint64_t, uint32_t)
GEOPT_INSTANTIATE(uint64_t, uint64_t)
#undef GEOPT_INSTANTIATE

}  // namespace geopt
