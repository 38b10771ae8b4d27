#include "common/tensor.h"
#include "ops/knn/knn.h"

namespace geopt {
namespace {

std::tuple<Tensor, Tensor> knn_on_cpu(Tensor query, Tensor key, int64_t k, Tensor query_offsets, Tensor key_offsets) {
  query = torch::stable::contiguous(query);
  key = torch::stable::contiguous(key);
  query_offsets = cloud_offsets(query_offsets, query.size(0), "knn: query_offsets");
  key_offsets = cloud_offsets(key_offsets, key.size(0), "knn: key_offsets");
  const int64_t n = query.size(0), m = key.size(0), num_clouds = key_offsets.numel() - 1;
  Tensor indices = new_int64(query, {n, k}), distances = new_float(query, {n, k});
  knn_cpu(
      data<float>(query), n, data<int64_t>(query_offsets), data<float>(key), m, data<int64_t>(key_offsets), num_clouds,
      k, kFarthest, mutable_data<int64_t>(indices), mutable_data<float>(distances));
  return {distances, indices};
}

}  // namespace
}  // namespace geopt

STABLE_TORCH_LIBRARY_FRAGMENT(geopt, m) {
  m.def("knn(Tensor query, Tensor key, int k, Tensor query_offsets, Tensor key_offsets) -> (Tensor, Tensor)");
}

STABLE_TORCH_LIBRARY_IMPL(geopt, CPU, m) { m.impl("knn", TORCH_BOX(&geopt::knn_on_cpu)); }
