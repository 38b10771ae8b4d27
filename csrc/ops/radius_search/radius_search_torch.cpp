#include "common/tensor.h"
#include "ops/knn/search_tensors.h"
#include "ops/radius_search/radius_search.h"

namespace geopt {
namespace {

using Capped = std::tuple<Tensor, Tensor>;
using Ragged = std::tuple<Tensor, Tensor, Tensor>;
constexpr const char* kOp = "radius_search";

Candidate limit_of(double radius) { return radius_limit(static_cast<float>(radius)); }

Capped on_cpu(
    Tensor query, Tensor key, double radius, int64_t max_neighbors, Tensor query_offsets, Tensor key_offsets) {
  const SearchTensors tensors = search_tensors_on_cpu(kOp, query, key, query_offsets, key_offsets);
  const NeighborProblem of = tensors.problem();
  Tensor indices = new_int64(query, {of.n, max_neighbors}), distances = new_float(query, {of.n, max_neighbors});
  knn_cpu(
      of.query, of.n, of.query_offsets, of.key, of.m, of.key_offsets, of.num_clouds, max_neighbors, limit_of(radius),
      mutable_data<int64_t>(indices), mutable_data<float>(distances));
  return {distances, indices};
}

Capped by_emulation(
    Tensor query, Tensor key, double radius, int64_t max_neighbors, Tensor query_offsets, Tensor key_offsets) {
  const SearchTensors tensors = search_tensors_on_cpu(kOp, query, key, query_offsets, key_offsets);
  const NeighborProblem of = tensors.problem();
  Tensor indices = new_int64(query, {of.n, max_neighbors}), distances = new_float(query, {of.n, max_neighbors});
  knn_emulated(of, max_neighbors, limit_of(radius), mutable_data<int64_t>(indices), mutable_data<float>(distances));
  return {distances, indices};
}

Ragged ragged_on_cpu(Tensor query, Tensor key, double radius, Tensor query_offsets, Tensor key_offsets) {
  const SearchTensors tensors = search_tensors_on_cpu(kOp, query, key, query_offsets, key_offsets);
  const NeighborProblem of = tensors.problem();
  Tensor row_splits = new_int64(query, {of.n + 1});
  RadiusSearch search(
      of.query, of.n, of.query_offsets, of.key, of.m, of.key_offsets, of.num_clouds, static_cast<float>(radius),
      mutable_data<int64_t>(row_splits));
  const int64_t total = data<int64_t>(row_splits)[of.n];
  Tensor indices = new_int64(query, {total}), distances = new_float(query, {total});
  search.write(mutable_data<int64_t>(indices), mutable_data<float>(distances));
  return {distances, indices, row_splits};
}

Ragged ragged_by_emulation(Tensor query, Tensor key, double radius, Tensor query_offsets, Tensor key_offsets) {
  const SearchTensors tensors = search_tensors_on_cpu(kOp, query, key, query_offsets, key_offsets);
  const NeighborProblem of = tensors.problem();
  Tensor row_splits = new_int64(query, {of.n + 1});
  std::vector<int64_t> rows;
  std::vector<float> squares;
  radius_search_emulated(of, limit_of(radius), mutable_data<int64_t>(row_splits), rows, squares);
  const auto total = static_cast<int64_t>(rows.size());
  Tensor indices = new_int64(query, {total}), distances = new_float(query, {total});
  std::copy(rows.begin(), rows.end(), mutable_data<int64_t>(indices));
  std::copy(squares.begin(), squares.end(), mutable_data<float>(distances));
  return {distances, indices, row_splits};
}

#ifdef GEOPT_WITH_CUDA
Capped on_cuda(
    Tensor query, Tensor key, double radius, int64_t max_neighbors, Tensor query_offsets, Tensor key_offsets) {
  const torch::stable::accelerator::DeviceGuard guard(query.get_device());
  void* stream = current_cuda_stream(query.get_device());
  const SearchTensors tensors = search_tensors_on_cuda(kOp, query, key, query_offsets, key_offsets, stream);
  const NeighborProblem of = tensors.problem();
  const int64_t bytes = knn_cuda_workspace(of);
  Tensor workspace = new_workspace(query, bytes);
  Tensor indices = new_int64(query, {of.n, max_neighbors}), distances = new_float(query, {of.n, max_neighbors});
  check_cuda(
      knn_cuda(
          of, max_neighbors, limit_of(radius), workspace.mutable_data_ptr(), bytes, mutable_data<int64_t>(indices),
          mutable_data<float>(distances), stream),
      kOp);
  return {distances, indices};
}

Ragged ragged_on_cuda(Tensor query, Tensor key, double radius, Tensor query_offsets, Tensor key_offsets) {
  const torch::stable::accelerator::DeviceGuard guard(query.get_device());
  void* stream = current_cuda_stream(query.get_device());
  const SearchTensors tensors = search_tensors_on_cuda(kOp, query, key, query_offsets, key_offsets, stream);
  const NeighborProblem of = tensors.problem();
  const int64_t bytes = knn_cuda_workspace(of);
  Tensor workspace = new_workspace(query, bytes), row_splits = new_int64(query, {of.n + 1});
  check_cuda(
      radius_search_cuda_count(
          of, limit_of(radius), workspace.mutable_data_ptr(), bytes, mutable_data<int64_t>(row_splits), stream),
      kOp);
  // The one read-back of this op: the size of the result.
  Tensor last = torch::stable::to(
      torch::stable::narrow(row_splits, 0, of.n, 1), std::nullopt, std::nullopt,
      torch::stable::Device(torch::headeronly::DeviceType::CPU, -1));
  const int64_t total = data<int64_t>(last)[0];
  Tensor indices = new_int64(query, {total}), distances = new_float(query, {total});
  check_cuda(
      radius_search_cuda_write(
          of, limit_of(radius), workspace.mutable_data_ptr(), data<int64_t>(row_splits), mutable_data<int64_t>(indices),
          mutable_data<float>(distances), stream),
      kOp);
  return {distances, indices, row_splits};
}
#endif

}  // namespace
}  // namespace geopt

STABLE_TORCH_LIBRARY_FRAGMENT(geopt, m) {
  // Those that end in _emulated compute on CPU tensors what the CUDA kernels compute: for tests.
  for (const std::string name : {"radius_search", "radius_search_emulated"})
    m.def(
        (name +
         "(Tensor query, Tensor key, float radius, int max_neighbors, Tensor query_offsets, Tensor key_offsets) "
         "-> (Tensor, Tensor)")
            .c_str());
  for (const std::string name : {"radius_search_ragged", "radius_search_ragged_emulated"})
    m.def(
        (name +
         "(Tensor query, Tensor key, float radius, Tensor query_offsets, Tensor key_offsets) "
         "-> (Tensor, Tensor, Tensor)")
            .c_str());
}

STABLE_TORCH_LIBRARY_IMPL(geopt, CPU, m) {
  m.impl("radius_search", TORCH_BOX(&geopt::on_cpu));
  m.impl("radius_search_emulated", TORCH_BOX(&geopt::by_emulation));
  m.impl("radius_search_ragged", TORCH_BOX(&geopt::ragged_on_cpu));
  m.impl("radius_search_ragged_emulated", TORCH_BOX(&geopt::ragged_by_emulation));
}

#ifdef GEOPT_WITH_CUDA
STABLE_TORCH_LIBRARY_IMPL(geopt, CUDA, m) {
  m.impl("radius_search", TORCH_BOX(&geopt::on_cuda));
  m.impl("radius_search_ragged", TORCH_BOX(&geopt::ragged_on_cuda));
}
#endif
