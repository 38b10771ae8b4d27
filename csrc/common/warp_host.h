// Runs on the host what CUDA kernels run: the same functions, one item and one lane after the other. For tests; it is
// many times slower than the ops' own CPU kernels.
#pragma once

#include <algorithm>
#include <numeric>
#include <vector>

#include "common/launch.h"

namespace geopt::warp {

class HostMachine {
 public:
  // What sort() and sum() need beside their arrays; nothing here.
  void take_temporary(Workspace&, int64_t) {}

  template <class F>
  void each(int64_t count, const F& f) {
    for (int64_t i = 0; i < count; ++i) f(i);
  }

  template <class F>
  void each_warp(int64_t count, const F& f) {
    typename F::Memory memory;
    for (int64_t i = 0; i < count; ++i) f(i, memory);
  }

  // Sorts by the lowest `bits` of the keys; equal ones keep their order.
  void sort(const uint64_t* keys, uint64_t* sorted_keys, const uint32_t* rows, uint32_t* sorted_rows, int64_t n, int) {
    std::vector<int64_t> order(n);
    std::iota(order.begin(), order.end(), int64_t{0});
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return keys[a] < keys[b]; });
    for (int64_t i = 0; i < n; ++i) sorted_keys[i] = keys[order[i]], sorted_rows[i] = rows[order[i]];
  }

  // Replaces each value by the sum up to and with it.
  void sum(int64_t* values, int64_t n) { std::partial_sum(values, values + n, values); }

  int error() const { return 0; }
};

// Memory that is full of what nobody should read.
class HostMemory {
 public:
  explicit HostMemory(int64_t bytes) : bytes_(static_cast<size_t>(bytes) + 256, static_cast<char>(0xcd)) {}
  void* get() { return reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(bytes_.data()) + 255) / 256 * 256); }

 private:
  std::vector<char> bytes_;
};

}  // namespace geopt::warp
