// parallel.h on std::thread, so that kernels run without torch and a sanitizer sees each thread.
#include "tests/threads.h"

#include <algorithm>
#include <thread>
#include <vector>

#include "common/parallel.h"

namespace geopt {
namespace {

int threads = 1;
thread_local bool is_inside = false;  // as in torch, a loop inside a loop runs on its own thread

}  // namespace

void test::set_num_threads(int count) { threads = count; }

int num_threads() { return is_inside ? 1 : threads; }

void parallel_ranges(int64_t begin, int64_t end, int64_t grain, void (*body)(void*, int64_t, int64_t), void* context) {
  const int64_t wanted = std::clamp<int64_t>((end - begin) / std::max<int64_t>(grain, 1), 1, num_threads());
  const int64_t step = (end - begin + wanted - 1) / wanted;
  const auto run = [&](int64_t from) {
    const bool before = is_inside;
    is_inside = wanted > 1 || before;
    body(context, from, std::min(end, from + step));
    is_inside = before;
  };
  std::vector<std::thread> others;
  for (int64_t from = begin + step; from < end; from += step) others.emplace_back(run, from);
  run(begin);
  for (std::thread& other : others) other.join();
}

}  // namespace geopt
