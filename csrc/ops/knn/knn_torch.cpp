#include "common/tensor.h"
#include "ops/knn/knn.h"
#include "ops/knn/search_tensors.h"

namespace geopt {
namespace {

using Result = std::tuple<Tensor, Tensor>;
using BothResults = std::tuple<Tensor, Tensor, Tensor, Tensor>;

Result knn_on_cpu(Tensor query, Tensor key, int64_t k, Tensor query_offsets, Tensor key_offsets) {
  const SearchTensors tensors = search_tensors_on_cpu("knn", query, key, query_offsets, key_offsets);
  const NeighborProblem of = tensors.problem();
  Tensor indices = new_int64(query, {of.n, k}), distances = new_float(query, {of.n, k});
  knn_cpu(
      of.query, of.n, of.query_offsets, of.key, of.m, of.key_offsets, of.num_clouds, k, kFarthest,
      mutable_data<int64_t>(indices), mutable_data<float>(distances));
  return {distances, indices};
}

Result knn_by_emulation(Tensor query, Tensor key, int64_t k, Tensor query_offsets, Tensor key_offsets) {
  const SearchTensors tensors = search_tensors_on_cpu("knn", query, key, query_offsets, key_offsets);
  const NeighborProblem of = tensors.problem();
  Tensor indices = new_int64(query, {of.n, k}), distances = new_float(query, {of.n, k});
  knn_emulated(of, k, kFarthest, mutable_data<int64_t>(indices), mutable_data<float>(distances));
  return {distances, indices};
}

#ifdef GEOPT_WITH_CUDA
Result knn_on_cuda(Tensor query, Tensor key, int64_t k, Tensor query_offsets, Tensor key_offsets) {
  const torch::stable::accelerator::DeviceGuard guard(query.get_device());
  void* stream = current_cuda_stream(query.get_device());
  const SearchTensors tensors = search_tensors_on_cuda("knn", query, key, query_offsets, key_offsets, stream);
  const NeighborProblem of = tensors.problem();
  const int64_t bytes = knn_cuda_workspace(of);
  Tensor workspace = new_workspace(query, bytes);
  Tensor indices = new_int64(query, {of.n, k}), distances = new_float(query, {of.n, k});
  check_cuda(
      knn_cuda(
          of, k, kFarthest, workspace.mutable_data_ptr(), bytes, mutable_data<int64_t>(indices),
          mutable_data<float>(distances), stream),
      "knn");
  return {distances, indices};
}
#endif

BothResults nearest_both_ways_on_cpu(Tensor a, Tensor b, Tensor a_offsets, Tensor b_offsets) {
  const SearchTensors tensors = search_tensors_on_cpu("nearest_both_ways", a, b, a_offsets, b_offsets);
  const NeighborProblem of = tensors.problem();
  Tensor in_b = new_int64(a, {of.n, 1}), to_b = new_float(a, {of.n, 1});
  Tensor in_a = new_int64(a, {of.m, 1}), to_a = new_float(a, {of.m, 1});
  nearest_both_ways_cpu(
      of, {mutable_data<int64_t>(in_b), mutable_data<float>(to_b)},
      {mutable_data<int64_t>(in_a), mutable_data<float>(to_a)});
  return {to_b, in_b, to_a, in_a};
}

#ifdef GEOPT_WITH_CUDA
BothResults nearest_both_ways_on_cuda(Tensor a, Tensor b, Tensor a_offsets, Tensor b_offsets) {
  const auto [to_b, in_b] = knn_on_cuda(a, b, 1, a_offsets, b_offsets);
  const auto [to_a, in_a] = knn_on_cuda(b, a, 1, b_offsets, a_offsets);
  return {to_b, in_b, to_a, in_a};
}
#endif

Result knn_backward_on_cpu(Tensor query, Tensor key, Tensor indices, Tensor grad) {
  query = torch::stable::contiguous(query);
  key = torch::stable::contiguous(key);
  indices = torch::stable::contiguous(indices);
  grad = torch::stable::contiguous(grad);
  const int64_t n = query.size(0), m = key.size(0);
  Tensor to_query = new_float(query, {n, 3}), to_key = new_float(key, {m, 3});
  knn_backward_cpu(
      data<float>(query), n, data<float>(key), m, data<int64_t>(indices), indices.size(1), data<float>(grad),
      mutable_data<float>(to_query), mutable_data<float>(to_key));
  return {to_query, to_key};
}

}  // namespace
}  // namespace geopt

STABLE_TORCH_LIBRARY_FRAGMENT(geopt, m) {
  m.def("knn(Tensor query, Tensor key, int k, Tensor query_offsets, Tensor key_offsets) -> (Tensor, Tensor)");
  // On CPU tensors, what the CUDA kernels compute: for tests.
  m.def("knn_emulated(Tensor query, Tensor key, int k, Tensor query_offsets, Tensor key_offsets) -> (Tensor, Tensor)");
  m.def(
      "nearest_both_ways(Tensor a, Tensor b, Tensor a_offsets, Tensor b_offsets) -> (Tensor, Tensor, Tensor, Tensor)");
  m.def("knn_backward(Tensor query, Tensor key, Tensor indices, Tensor grad) -> (Tensor, Tensor)");
}

STABLE_TORCH_LIBRARY_IMPL(geopt, CPU, m) {
  m.impl("knn", TORCH_BOX(&geopt::knn_on_cpu));
  m.impl("knn_emulated", TORCH_BOX(&geopt::knn_by_emulation));
  m.impl("nearest_both_ways", TORCH_BOX(&geopt::nearest_both_ways_on_cpu));
  m.impl("knn_backward", TORCH_BOX(&geopt::knn_backward_on_cpu));
}

#ifdef GEOPT_WITH_CUDA
STABLE_TORCH_LIBRARY_IMPL(geopt, CUDA, m) {
  m.impl("knn", TORCH_BOX(&geopt::knn_on_cuda));
  m.impl("nearest_both_ways", TORCH_BOX(&geopt::nearest_both_ways_on_cuda));
}
#endif
