// Runs CUDA kernels on the host, for tests on machines without a GPU: every thread of a block is a fiber, blocks run one
// after the other, and threads change places only where they wait for each other. A barrier that some threads of a block
// never reach ends the program with a message. tests/cuda_on_host.py turns kernel<<<...>>>(...) into launch().
#pragma once

#include <stdint.h>
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <vector>

#define __CUDACC__
#define __CUDA_ARCH__ 900
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __shared__ static  // one block at a time
#define __launch_bounds__(...)
#define __grid_constant__

struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
struct int4 {
  int x, y, z, w;
};
struct float4 {
  float x, y, z, w;
};
struct uint4 {
  unsigned x, y, z, w;
};
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

enum cudaError_t { cudaSuccess = 0, cudaErrorInvalidValue = 1 };
using cudaStream_t = void*;
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t) {
  if (bytes > 0) std::memset(to, value, bytes);
  return cudaSuccess;
}
enum cudaMemcpyKind { cudaMemcpyDeviceToDevice };
inline cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t) {
  if (bytes > 0) std::memmove(to, from, bytes);
  return cudaSuccess;
}

inline dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace cuda_on_host {

// Which threads go first: 0 ascending, 1 descending, more: shuffled. Results of correct kernels do not depend on it.
inline unsigned thread_order = 0;

struct Exchange {  // of the lanes of a mask; slots of even and odd rounds apart, so that a slow reader keeps its own
  uint64_t slots[2][32];
  unsigned arrived = 0, round = 0;
};

struct Thread {
  ucontext_t context;
  std::vector<char> stack;
  dim3 index;
  bool finished;
};

struct Block {
  std::vector<Thread> threads;
  ucontext_t scheduler;
  std::function<void()> body;
  unsigned current = 0, count = 0, alive = 0;
  unsigned arrived = 0, round = 0;
  int sums[2] = {0, 0};
  uint64_t progress = 0;
  std::vector<std::map<unsigned, Exchange>> warps;
};

inline Block block;

inline void wait_for_others() { swapcontext(&block.threads[block.current].context, &block.scheduler); }

inline void release_barrier_if_all_arrived() {
  if (block.arrived == 0 || block.arrived < block.alive) return;
  block.arrived = 0;
  block.sums[(block.round + 1) & 1] = 0;
  ++block.round;
  ++block.progress;
}

inline void run_thread() {
  block.body();
  block.threads[block.current].finished = true;
  --block.alive;
  ++block.progress;
  release_barrier_if_all_arrived();
  swapcontext(&block.threads[block.current].context, &block.scheduler);
}

// Returns the sum of the values of all threads.
inline int barrier(int value) {
  const unsigned round = block.round;
  block.sums[round & 1] += value;
  ++block.arrived;
  release_barrier_if_all_arrived();
  while (block.round == round) wait_for_others();
  return block.sums[round & 1];
}

// Values of the lanes of a mask, which all come here.
inline const uint64_t* exchange(unsigned mask, uint64_t value) {
  const unsigned lane = block.current % 32;
  if (!(mask >> lane & 1)) std::fprintf(stderr, "cuda_on_host: lane %u is not in its own mask\n", lane), std::abort();
  Exchange& with = block.warps[block.current / 32][mask];
  const unsigned round = with.round;
  with.slots[round & 1][lane] = value;
  with.arrived |= 1u << lane;
  if (with.arrived == mask) {
    with.arrived = 0;
    ++with.round;
    ++block.progress;
  }
  while (with.round == round) wait_for_others();
  return with.slots[round & 1];
}

template <class T>
uint64_t to_bits(T value) {
  static_assert(sizeof(T) <= 8, "a register");
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  return bits;
}

template <class T>
T from_bits(uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

inline void run_block(dim3 shape) {
  const unsigned count = shape.x * shape.y * shape.z;
  if (block.threads.size() < count) block.threads.resize(count);
  block.count = block.alive = count;
  block.arrived = block.round = 0;
  block.sums[0] = block.sums[1] = 0;
  block.warps.assign((count + 31) / 32, {});
  std::vector<unsigned> order(count);
  for (unsigned t = 0; t < count; ++t) {
    Thread& thread = block.threads[t];
    thread.stack.resize(64 << 10);
    thread.finished = false;
    thread.index = dim3(t % shape.x, t / shape.x % shape.y, t / shape.x / shape.y);
    getcontext(&thread.context);
    thread.context.uc_stack.ss_sp = thread.stack.data();
    thread.context.uc_stack.ss_size = thread.stack.size();
    thread.context.uc_link = nullptr;
    makecontext(&thread.context, run_thread, 0);
    order[t] = thread_order == 1 ? count - 1 - t : t;
  }
  if (thread_order > 1) {
    uint64_t state = thread_order;
    for (unsigned t = count - 1; t > 0; --t) {
      state = state * 6364136223846793005ull + 1442695040888963407ull;
      std::swap(order[t], order[(state >> 33) % (t + 1)]);
    }
  }
  while (block.alive > 0) {
    const uint64_t before = block.progress;
    for (const unsigned t : order) {
      if (block.threads[t].finished) continue;
      block.current = t;
      threadIdx = block.threads[t].index;
      swapcontext(&block.scheduler, &block.threads[t].context);
    }
    if (block.progress == before) {
      std::fprintf(stderr, "cuda_on_host: %u threads of block %u wait for others that never come\n", block.alive, blockIdx.x);
      std::abort();
    }
  }
}

inline void launch(dim3 grid, dim3 threads, const std::function<void()>& body) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.y > 65535 || grid.z > 65535 || grid.x > 2147483647u ||
      threads.x * threads.y * threads.z == 0 || threads.x * threads.y * threads.z > 1024) {
    std::fprintf(stderr, "cuda_on_host: invalid launch of (%u, %u, %u) blocks\n", grid.x, grid.y, grid.z);
    std::abort();
  }
  block.body = body;
  gridDim = grid, blockDim = threads;
  for (unsigned z = 0; z < grid.z; ++z)
    for (unsigned y = 0; y < grid.y; ++y)
      for (unsigned x = 0; x < grid.x; ++x) {
        blockIdx = dim3(x, y, z);
        run_block(threads);
      }
}

}  // namespace cuda_on_host

inline void __syncthreads() { cuda_on_host::barrier(0); }
inline int __syncthreads_count(int holds) { return cuda_on_host::barrier(holds != 0); }
inline int __syncthreads_or(int holds) { return cuda_on_host::barrier(holds != 0) != 0; }
inline int __syncthreads_and(int holds) { return cuda_on_host::barrier(holds == 0) == 0; }
inline void __syncwarp(unsigned mask = 0xffffffffu) { cuda_on_host::exchange(mask, 0); }
inline void __threadfence() {}

template <class T>
T __shfl_sync(unsigned mask, T value, int lane, int width = 32) {
  const uint64_t* all = cuda_on_host::exchange(mask, cuda_on_host::to_bits(value));
  const int own = cuda_on_host::block.current % 32;
  return cuda_on_host::from_bits<T>(all[own / width * width + (lane & (width - 1))]);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int step, int width = 32) {
  return __shfl_sync(mask, value, (cuda_on_host::block.current % 32 % width) ^ step, width);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned step, int width = 32) {
  const int at = cuda_on_host::block.current % width, from = at - static_cast<int>(step);
  return __shfl_sync(mask, value, from < 0 ? at : from, width);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned step, int width = 32) {
  const int at = cuda_on_host::block.current % width, from = at + static_cast<int>(step);
  return __shfl_sync(mask, value, from >= width ? at : from, width);
}

inline unsigned __ballot_sync(unsigned mask, int holds) {
  const uint64_t* all = cuda_on_host::exchange(mask, holds != 0);
  unsigned bits = 0;
  for (int lane = 0; lane < 32; ++lane)
    if (mask >> lane & 1) bits |= static_cast<unsigned>(all[lane]) << lane;
  return bits;
}
inline int __any_sync(unsigned mask, int holds) { return __ballot_sync(mask, holds) != 0; }
inline int __all_sync(unsigned mask, int holds) { return __ballot_sync(mask, holds) == mask; }

template <class Combine>
unsigned reduce_over_lanes(unsigned mask, unsigned value, Combine combine) {
  const uint64_t* all = cuda_on_host::exchange(mask, value);
  for (int lane = 0; lane < 32; ++lane)
    if (mask >> lane & 1) value = combine(value, static_cast<unsigned>(all[lane]));
  return value;
}
inline unsigned __reduce_min_sync(unsigned mask, unsigned value) {
  return reduce_over_lanes(mask, value, [](unsigned a, unsigned b) { return a < b ? a : b; });
}
inline unsigned __reduce_max_sync(unsigned mask, unsigned value) {
  return reduce_over_lanes(mask, value, [](unsigned a, unsigned b) { return a > b ? a : b; });
}

inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
inline int __popcll(unsigned long long bits) { return __builtin_popcountll(bits); }
inline int __ffs(int bits) { return __builtin_ffs(bits); }
inline int __ffsll(long long bits) { return __builtin_ffsll(bits); }
inline int __clz(int bits) { return bits == 0 ? 32 : __builtin_clz(static_cast<unsigned>(bits)); }
inline int __clzll(long long bits) { return bits == 0 ? 64 : __builtin_clzll(static_cast<unsigned long long>(bits)); }
inline unsigned __float_as_uint(float value) { return cuda_on_host::from_bits<unsigned>(cuda_on_host::to_bits(value)); }
inline float __uint_as_float(unsigned value) { return cuda_on_host::from_bits<float>(value); }
template <class T>
T __ldg(const T* from) {
  return *from;
}

template <class T>
T atomicAdd(T* to, T value) {
  const T before = *to;
  *to += value;
  return before;
}
template <class T>
T atomicOr(T* to, T value) {
  const T before = *to;
  *to |= value;
  return before;
}
template <class T>
T atomicMin(T* to, T value) {
  const T before = *to;
  if (value < before) *to = value;
  return before;
}
template <class T>
T atomicMax(T* to, T value) {
  const T before = *to;
  if (before < value) *to = value;
  return before;
}
template <class T>
T atomicCAS(T* to, T expected, T value) {
  const T before = *to;
  if (before == expected) *to = value;
  return before;
}
