// Loops over ranges with torch's own threads, without a torch header in the kernels.
#pragma once

#include <atomic>
#include <cstdint>

namespace geopt {

// Calls body(context, begin, end) on disjoint ranges that cover [begin, end). Kernels that must give the
// same bits with any number of threads make each index independent of the ranges.
void parallel_ranges(int64_t begin, int64_t end, int64_t grain, void (*body)(void*, int64_t, int64_t), void* context);

int num_threads();

template <class F>
void parallel_for(int64_t begin, int64_t end, int64_t grain, const F& f) {
  if (begin >= end) return;
  parallel_ranges(
      begin, end, grain,
      [](void* context, int64_t from, int64_t to) { (*static_cast<const F*>(context))(from, to); },
      const_cast<void*>(static_cast<const void*>(&f)));
}

// The same in blocks that go to whichever thread is free: for work that differs from place to place.
template <class F>
void parallel_blocks(int64_t count, int64_t block, const F& f) {
  std::atomic<int64_t> next{0};
  const int64_t num_blocks = (count + block - 1) / block;
  parallel_for(0, num_blocks < num_threads() ? num_blocks : num_threads(), 1, [&](int64_t, int64_t) {
    for (int64_t begin; (begin = next.fetch_add(block)) < count;) {
      const int64_t end = begin + block < count ? begin + block : count;
      f(begin, end);
    }
  });
}

}  // namespace geopt
