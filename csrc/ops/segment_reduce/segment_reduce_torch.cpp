#include <algorithm>

#include "common/tensor.h"
#include "ops/segment_reduce/segment_reduce.h"

namespace geopt {
namespace {

using Result = std::tuple<Tensor, Tensor>;

Tensor new_like(const Tensor& like, std::vector<int64_t> shape) {
  return torch::stable::new_empty(like, shape, like.scalar_type());
}

std::vector<int64_t> state_shape(int64_t reduce, int64_t num_segments, int64_t channels) {
  if (static_cast<Reduce>(reduce) == Reduce::kMax) return {num_segments, channels};
  return {num_segments};
}

Result reduce_on_cpu(Tensor values, Tensor segment, int64_t num_segments, int64_t reduce) {
  values = torch::stable::contiguous(values);
  segment = torch::stable::contiguous(segment);
  const int64_t n = values.size(0), channels = values.size(1);
  // The wrapper checks too, but not in a compiled graph, and the gradient would read out of bounds.
  const int64_t* numbers = data<int64_t>(segment);
  bool in_range = true;
  for (int64_t i = 0; i < n; ++i) in_range &= numbers[i] < num_segments;  // all of them: vector instructions
  STD_TORCH_CHECK(in_range, "segment_reduce: segment must lie in [-1, ", num_segments, ")");
  Tensor out = new_like(values, {num_segments, channels});
  Tensor state = new_int64(values, state_shape(reduce, num_segments, channels));
  for_float_type(values, [&](auto type) {
    using T = decltype(type);
    segment_reduce_cpu<T>(
        data<T>(values), data<int64_t>(segment), n, channels, num_segments, static_cast<Reduce>(reduce),
        mutable_data<T>(out), mutable_data<int64_t>(state));
  });
  return {out, state};
}

Tensor backward_on_cpu(Tensor grad, Tensor segment, Tensor state, int64_t reduce) {
  grad = torch::stable::contiguous(grad);
  segment = torch::stable::contiguous(segment);
  state = torch::stable::contiguous(state);
  const int64_t n = segment.size(0), channels = grad.size(1);
  Tensor out = new_like(grad, {n, channels});
  for_float_type(grad, [&](auto type) {
    using T = decltype(type);
    segment_reduce_backward_cpu<T>(
        data<T>(grad), data<int64_t>(segment), data<int64_t>(state), n, channels, grad.size(0),
        static_cast<Reduce>(reduce), mutable_data<T>(out));
  });
  return out;
}

#ifdef GEOPT_WITH_CUDA
Result reduce_on_cuda(Tensor values, Tensor segment, int64_t num_segments, int64_t reduce) {
  const torch::stable::accelerator::DeviceGuard guard(values.get_device());
  void* stream = current_cuda_stream(values.get_device());
  values = torch::stable::contiguous(values);
  segment = torch::stable::contiguous(segment);
  const int64_t n = values.size(0), channels = values.size(1);
  Tensor out = new_like(values, {num_segments, channels});
  Tensor state = new_int64(values, state_shape(reduce, num_segments, channels));
  const int64_t bytes = segment_reduce_cuda_workspace(n, num_segments);
  Tensor workspace = torch::stable::new_empty(values, std::vector<int64_t>{bytes}, ScalarType::Byte);
  for_float_type(values, [&](auto type) {
    using T = decltype(type);
    check_cuda(
        segment_reduce_cuda<T>(
            data<T>(values), data<int64_t>(segment), n, channels, num_segments, static_cast<Reduce>(reduce),
            mutable_data<T>(out), mutable_data<int64_t>(state), workspace.mutable_data_ptr(), bytes, stream),
        "segment_reduce");
  });
  return {out, state};
}

Tensor backward_on_cuda(Tensor grad, Tensor segment, Tensor state, int64_t reduce) {
  const torch::stable::accelerator::DeviceGuard guard(grad.get_device());
  void* stream = current_cuda_stream(grad.get_device());
  grad = torch::stable::contiguous(grad);
  segment = torch::stable::contiguous(segment);
  state = torch::stable::contiguous(state);
  const int64_t n = segment.size(0), channels = grad.size(1);
  Tensor out = new_like(grad, {n, channels});
  for_float_type(grad, [&](auto type) {
    using T = decltype(type);
    check_cuda(
        segment_reduce_backward_cuda<T>(
            data<T>(grad), data<int64_t>(segment), data<int64_t>(state), n, channels, grad.size(0),
            static_cast<Reduce>(reduce), mutable_data<T>(out), stream),
        "segment_reduce");
  });
  return out;
}
#endif

}  // namespace
}  // namespace geopt

STABLE_TORCH_LIBRARY_FRAGMENT(geopt, m) {
  m.def("segment_reduce(Tensor values, Tensor segment, int num_segments, int reduce) -> (Tensor, Tensor)");
  m.def("segment_reduce_backward(Tensor grad, Tensor segment, Tensor state, int reduce) -> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(geopt, CPU, m) {
  m.impl("segment_reduce", TORCH_BOX(&geopt::reduce_on_cpu));
  m.impl("segment_reduce_backward", TORCH_BOX(&geopt::backward_on_cpu));
}

#ifdef GEOPT_WITH_CUDA
STABLE_TORCH_LIBRARY_IMPL(geopt, CUDA, m) {
  m.impl("segment_reduce", TORCH_BOX(&geopt::reduce_on_cuda));
  m.impl("segment_reduce_backward", TORCH_BOX(&geopt::backward_on_cuda));
}
#endif
