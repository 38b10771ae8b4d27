// Loops over ranges with torch's own threads, without a torch header in the kernels.
#pragma once

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

}  // namespace geopt
