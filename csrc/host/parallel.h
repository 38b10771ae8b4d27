// Loops over threads that are started for the loop. Results must not depend on which thread does what.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

namespace geopt::host {

// Calls `work(i)` for i in [0, count), each once, in about ascending order. `work` must not throw.
template <class Work>
void parallel_for(std::size_t count, int num_threads, Work&& work) {
  std::atomic<std::size_t> next{0};
  const auto run = [&] {
    for (std::size_t i = next++; i < count; i = next++) work(i);
  };
  std::vector<std::thread> others;
  const auto wanted = std::min<std::size_t>(static_cast<std::size_t>(std::max(num_threads, 1)), count);
  for (std::size_t i = 1; i < wanted; ++i) others.emplace_back(run);
  run();
  for (std::thread& other : others) other.join();
}

}  // namespace geopt::host
