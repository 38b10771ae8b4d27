#include "common/tensor.h"
#include "ops/knn/knn.h"
#include "ops/radius_search/radius_search.h"

namespace geopt {
namespace {

std::tuple<Tensor, Tensor> radius_search_on_cpu(
    Tensor query, Tensor key, double radius, int64_t max_neighbors, Tensor query_offsets, Tensor key_offsets) {
  query = torch::stable::contiguous(query);
  key = torch::stable::contiguous(key);
  query_offsets = cloud_offsets(query_offsets, query.size(0), "radius_search: query_offsets");
  key_offsets = cloud_offsets(key_offsets, key.size(0), "radius_search: key_offsets");
  const int64_t n = query.size(0), m = key.size(0);
  Tensor indices = new_int64(query, {n, max_neighbors}), distances = new_float(query, {n, max_neighbors});
  knn_cpu(
      data<float>(query), n, data<int64_t>(query_offsets), data<float>(key), m, data<int64_t>(key_offsets),
      key_offsets.numel() - 1, max_neighbors, radius_limit(static_cast<float>(radius)), mutable_data<int64_t>(indices),
      mutable_data<float>(distances));
  return {distances, indices};
}

std::tuple<Tensor, Tensor, Tensor> radius_search_ragged_on_cpu(
    Tensor query, Tensor key, double radius, Tensor query_offsets, Tensor key_offsets) {
  query = torch::stable::contiguous(query);
  key = torch::stable::contiguous(key);
  query_offsets = cloud_offsets(query_offsets, query.size(0), "radius_search: query_offsets");
  key_offsets = cloud_offsets(key_offsets, key.size(0), "radius_search: key_offsets");
  const int64_t n = query.size(0);
  Tensor row_splits = new_int64(query, {n + 1});
  RadiusSearch search(
      data<float>(query), n, data<int64_t>(query_offsets), data<float>(key), key.size(0), data<int64_t>(key_offsets),
      key_offsets.numel() - 1, static_cast<float>(radius), mutable_data<int64_t>(row_splits));
  const int64_t total = data<int64_t>(row_splits)[n];
  Tensor indices = new_int64(query, {total}), distances = new_float(query, {total});
  search.write(mutable_data<int64_t>(indices), mutable_data<float>(distances));
  return {distances, indices, row_splits};
}

}  // namespace
}  // namespace geopt

STABLE_TORCH_LIBRARY_FRAGMENT(geopt, m) {
  m.def(
      "radius_search(Tensor query, Tensor key, float radius, int max_neighbors, Tensor query_offsets, "
      "Tensor key_offsets) -> (Tensor, Tensor)");
  m.def(
      "radius_search_ragged(Tensor query, Tensor key, float radius, Tensor query_offsets, Tensor key_offsets) "
      "-> (Tensor, Tensor, Tensor)");
}

STABLE_TORCH_LIBRARY_IMPL(geopt, CPU, m) {
  m.impl("radius_search", TORCH_BOX(&geopt::radius_search_on_cpu));
  m.impl("radius_search_ragged", TORCH_BOX(&geopt::radius_search_ragged_on_cpu));
}
