// parallel.h on torch's thread pool: it obeys torch.set_num_threads and adds no second OpenMP run time.
#include "common/parallel.h"

#include <torch/csrc/stable/ops.h>

namespace geopt {

void parallel_ranges(int64_t begin, int64_t end, int64_t grain, void (*body)(void*, int64_t, int64_t), void* context) {
  torch::stable::parallel_for(begin, end, grain, [&](int64_t from, int64_t to) { body(context, from, to); });
}

int num_threads() { return static_cast<int>(torch::stable::get_num_threads()); }

}  // namespace geopt
