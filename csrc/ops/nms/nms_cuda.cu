// Candidates are taken in chunks, best first: each is compared with all that earlier chunks kept, then those of the
// chunk among each other, and one warp walks the chunk. Nothing is read back, and memory does not grow with n * n.
#include "common/cuda_warp.h"
#include "common/launch.h"
#include "ops/nms/nms.h"

namespace geopt {
namespace {

constexpr int kThreads = 128;
constexpr int kWord = 64;
constexpr int kWords = 32;               // of a row of the mask: one for each lane of the warp that walks the chunk
constexpr int kChunk = kWord * kWords;   // candidates at a time
static_assert(kWords == 32, "walk_chunk gives each lane one word");

struct Buffers {
  TurnedBox* boxes;
  uint64_t* mask;     // (kChunk, kWords): bit j of row i when i would take j away
  uint64_t* removed;  // (kWords): taken away by earlier chunks
  int64_t* num_kept;  // of the run that the next chunk goes on with
  int64_t total;
};

Buffers cut(void* workspace, int64_t n) {
  Buffers b{};
  Workspace w(workspace);
  b.boxes = w.take<TurnedBox>(n);
  b.mask = w.take<uint64_t>(kChunk * kWords);
  b.removed = w.take<uint64_t>(kWords);
  b.num_kept = w.take<int64_t>(1);
  b.total = w.used();
  return b;
}

template <class T>
__global__ void __launch_bounds__(kThreads) make_boxes(
    const T* rows, int64_t n, int64_t columns, const int64_t* order, bool volume, TurnedBox* boxes) {
  for (int64_t i = first_thread(); i < n; i += num_threads())
    boxes[i] = make_turned_box(rows + order[i] * columns, volume);
}

// One block for each candidate of the chunk.
__global__ void __launch_bounds__(kThreads) compare_with_kept(
    const TurnedBox* boxes, const int64_t* first, const bool* kept, int64_t begin, double iou_threshold,
    uint64_t* removed) {
  const int64_t i = begin + blockIdx.x;
  const TurnedBox box = boxes[i];
  bool found = false;
  for (int64_t from = first[i]; from < begin; from += blockDim.x) {
    const int64_t j = from + threadIdx.x;
    found = j < begin && kept[j] && suppresses(boxes[j], box, iou_threshold);
    if (__syncthreads_or(found)) {
      found = true;
      break;
    }
  }
  if (found && threadIdx.x == 0)
    atomicOr(reinterpret_cast<unsigned long long*>(removed) + blockIdx.x / kWord, 1ull << (blockIdx.x % kWord));
}

// Block (column word, row word), one thread for each row of the mask.
__global__ void __launch_bounds__(kWord) compare_in_chunk(
    const TurnedBox* boxes, const int64_t* first, int64_t begin, int64_t end, double iou_threshold, uint64_t* mask) {
  const int64_t i = begin + blockIdx.y * static_cast<int64_t>(kWord) + threadIdx.x;
  const int64_t from = begin + blockIdx.x * static_cast<int64_t>(kWord);
  __shared__ TurnedBox others[kWord];
  if (from + threadIdx.x < end) others[threadIdx.x] = boxes[from + threadIdx.x];
  __syncthreads();
  if (i >= end) return;
  uint64_t word = 0;
  const TurnedBox box = boxes[i];
  for (int k = 0; k < kWord && from + k < end; ++k)
    if (from + k > i && first[from + k] == first[i] && suppresses(box, others[k], iou_threshold))
      word |= uint64_t{1} << k;
  mask[(i - begin) * kWords + blockIdx.x] = word;
}

// One warp; lane l has the word of candidates 64 l up to 64 l + 63 that are gone. A word is walked with its own 64 x 64 bits
// of the mask in registers; then what it kept takes away from the later words, all rows at a time.
__global__ void __launch_bounds__(32) walk_chunk(
    const uint64_t* mask, const int64_t* first, int64_t begin, int64_t end, int64_t max_kept, const uint64_t* removed,
    int64_t* num_kept, bool* kept) {
  const int lane = lane_of_warp(), size = static_cast<int>(end - begin), words = (size + kWord - 1) / kWord;
  uint64_t gone = removed[lane];
  int64_t count = *num_kept;
  for (int word = 0; word < words; ++word) {
    const int low = word * kWord + lane, high = low + 32;  // the two candidates of this lane
    const uint64_t low_row = low < size ? mask[low * kWords + word] : 0;
    const uint64_t high_row = high < size ? mask[high * kWords + word] : 0;
    const uint64_t begins =
        __ballot_sync(kFullWarp, low < size && first[begin + low] == begin + low) |
        static_cast<uint64_t>(__ballot_sync(kFullWarp, high < size && first[begin + high] == begin + high)) << 32;
    uint64_t own_gone = __shfl_sync(kFullWarp, static_cast<unsigned long long>(gone), word), keep = 0;
    for (int k = 0; k < kWord && word * kWord + k < size; ++k) {
      const uint64_t row = __shfl_sync(kFullWarp, static_cast<unsigned long long>(k < 32 ? low_row : high_row), k % 32);
      if (begins >> k & 1) count = 0;
      if ((own_gone >> k & 1) || count == max_kept) continue;
      ++count;
      keep |= uint64_t{1} << k;
      own_gone |= row;
    }
    if (low < size) kept[begin + low] = keep >> lane & 1;
    if (high < size) kept[begin + high] = keep >> (32 + lane) & 1;
    if (lane > word && lane < words)
#pragma unroll 8
      for (int k = 0; k < kWord; ++k)
        if (keep >> k & 1) gone |= mask[(word * kWord + k) * kWords + lane];
  }
  if (lane == 0) *num_kept = count;
}

}  // namespace

int64_t nms_cuda_workspace(int64_t n) { return cut(nullptr, n).total; }

template <class T>
int nms_cuda(
    const T* boxes, int64_t n, int64_t columns, const int64_t* order, const int64_t* first, const NmsRule& rule,
    bool* kept, void* workspace, int64_t workspace_bytes, void* raw_stream) {
  if (n == 0) return cudaSuccess;
  const auto stream = static_cast<cudaStream_t>(raw_stream);
  const Buffers b = cut(workspace, n);
  if (b.total > workspace_bytes) return cudaErrorInvalidValue;
  make_boxes<<<blocks_for(n, kThreads), kThreads, 0, stream>>>(
      boxes, n, columns, order, rule.volume, b.boxes);
  cudaError_t error = cudaMemsetAsync(b.num_kept, 0, sizeof(int64_t), stream);
  if (error != cudaSuccess) return error;
  for (int64_t begin = 0; begin < n; begin += kChunk) {
    const int64_t end = n - begin < kChunk ? n : begin + kChunk;
    const auto count = static_cast<unsigned>(end - begin), words = (count + kWord - 1) / kWord;
    error = cudaMemsetAsync(b.removed, 0, sizeof(uint64_t) * kWords, stream);
    if (error != cudaSuccess) return error;
    if (begin > 0)
      compare_with_kept<<<count, kThreads, 0, stream>>>(b.boxes, first, kept, begin, rule.iou_threshold, b.removed);
    compare_in_chunk<<<dim3(words, words), kWord, 0, stream>>>(
        b.boxes, first, begin, end, rule.iou_threshold, b.mask);
    walk_chunk<<<1, 32, 0, stream>>>(b.mask, first, begin, end, rule.max_kept, b.removed, b.num_kept, kept);
  }
  return cudaGetLastError();
}

#define GEOPT_INSTANTIATE(T)                                                                                      \
  template int nms_cuda<T>(                                                                                       \
      const T*, int64_t, int64_t, const int64_t*, const int64_t*, const NmsRule&, bool*, void*, int64_t, void*);
GEOPT_INSTANTIATE(float)
GEOPT_INSTANTIATE(double)
#undef GEOPT_INSTANTIATE

}  // namespace geopt
