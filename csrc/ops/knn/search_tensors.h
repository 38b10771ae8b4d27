// The tensors of a neighbour search, checked and contiguous.
#pragma once

#include <string>

#include "common/tensor.h"
#include "ops/knn/knn.h"

namespace geopt {

struct SearchTensors {
  Tensor query, key, query_offsets, key_offsets;

  NeighborProblem problem() const {
    return {
        data<float>(query), query.size(0), data<int64_t>(query_offsets), data<float>(key), key.size(0),
        data<int64_t>(key_offsets), key_offsets.numel() - 1};
  }
};

// `check` is cloud_offsets or its like for CUDA. `op` begins the messages.
template <class Check>
SearchTensors search_tensors(
    const std::string& op, const Tensor& query, const Tensor& key, const Tensor& query_offsets,
    const Tensor& key_offsets, const Check& check) {
  SearchTensors of{torch::stable::contiguous(query), torch::stable::contiguous(key), query_offsets, key_offsets};
  of.query_offsets = check(query_offsets, query.size(0), (op + ": query_offsets").c_str());
  of.key_offsets = check(key_offsets, key.size(0), (op + ": key_offsets").c_str());
  return of;
}

inline SearchTensors search_tensors_on_cpu(
    const char* op, const Tensor& query, const Tensor& key, const Tensor& query_offsets, const Tensor& key_offsets) {
  return search_tensors(op, query, key, query_offsets, key_offsets, cloud_offsets);
}

#ifdef GEOPT_WITH_CUDA
inline SearchTensors search_tensors_on_cuda(
    const char* op, const Tensor& query, const Tensor& key, const Tensor& query_offsets, const Tensor& key_offsets,
    void* stream) {
  for (const Tensor& points : {query, key})
    STD_TORCH_CHECK(points.size(0) < kNoRow, op, ": CUDA takes fewer than 2^32 - 1 points, got ", points.size(0));
  return search_tensors(
      op, query, key, query_offsets, key_offsets, [&](const Tensor& offsets, int64_t num_rows, const char* name) {
        return cloud_offsets_on_cuda(offsets, num_rows, name, stream);
      });
}
#endif

}  // namespace geopt
