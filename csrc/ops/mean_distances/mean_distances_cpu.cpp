#include "ops/mean_distances/mean_distances.h"

#include <algorithm>
#include <vector>

#include "common/parallel.h"

namespace geopt {
namespace {

constexpr int64_t kChunk = 4096;  // rows that are summed one after the other; a cloud begins with a new chunk

struct Chunk {
  int64_t begin, end;
  double sum = 0;
  int64_t count = 0;
};

}  // namespace

void mean_distances_cpu(
    const float* distances, const int64_t* indices, const int64_t* offsets, int64_t num_clouds, float* means,
    int64_t* counts) {
  std::vector<Chunk> chunks;
  for (int64_t c = 0; c < num_clouds; ++c)
    for (int64_t row = offsets[c]; row < offsets[c + 1]; row += kChunk)
      chunks.push_back({row, std::min(row + kChunk, offsets[c + 1])});
  parallel_for(0, static_cast<int64_t>(chunks.size()), 4, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) {
      Chunk chunk = chunks[i];
      for (int64_t row = chunk.begin; row < chunk.end; ++row) {
        const bool counts_too = indices[row] >= 0;
        chunk.sum += counts_too ? static_cast<double>(distances[row]) : 0.0;
        chunk.count += counts_too;
      }
      chunks[i] = chunk;
    }
  });
  size_t next = 0;
  for (int64_t c = 0; c < num_clouds; ++c) {
    double sum = 0;
    counts[c] = 0;
    for (; next < chunks.size() && chunks[next].end <= offsets[c + 1]; ++next) {
      sum += chunks[next].sum;
      counts[c] += chunks[next].count;
    }
    means[c] = static_cast<float>(sum / static_cast<double>(counts[c]));
  }
}

}  // namespace geopt
