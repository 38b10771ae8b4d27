// Small helpers for the glue between torch tensors and the kernels.
#pragma once

#include <torch/csrc/stable/accelerator.h>
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>

#include <cstring>
#include <vector>

#include "common/cuda_offsets.h"

namespace geopt {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

inline Tensor new_int64(const Tensor& like, std::vector<int64_t> shape) {
  return torch::stable::new_empty(like, shape, ScalarType::Long);
}

inline Tensor new_float(const Tensor& like, std::vector<int64_t> shape) {
  return torch::stable::new_empty(like, shape, ScalarType::Float);
}

template <class T>
const T* data(const Tensor& tensor) {
  return static_cast<const T*>(tensor.const_data_ptr());
}

template <class T>
T* mutable_data(const Tensor& tensor) {
  return static_cast<T*>(tensor.mutable_data_ptr());
}

// Calls f with a value of the tensor's type, float64 or else float32.
template <class F>
void for_float_type(const Tensor& tensor, const F& f) {
  if (tensor.scalar_type() == ScalarType::Double) f(double{});
  else f(float{});
}

// Contiguous offsets of clouds of num_rows rows in all. The wrappers check them too, but not in a compiled graph, and
// the kernels would read out of bounds.
inline Tensor cloud_offsets(const Tensor& offsets, int64_t num_rows, const char* name) {
  Tensor out = torch::stable::contiguous(offsets);
  const int64_t count = out.numel();
  STD_TORCH_CHECK(count > 0, name, " must have at least one entry, got none");
  const int64_t* values = data<int64_t>(out);
  bool rising = values[0] == 0 && values[count - 1] == num_rows;
  for (int64_t i = 1; i < count; ++i) rising = rising && values[i - 1] <= values[i];
  STD_TORCH_CHECK(rising, name, " must rise from 0 to ", num_rows);
  return out;
}

#ifdef GEOPT_WITH_CUDA
// torch's current stream of a device; see csrc/common/cuda_stream.cpp for why it is not linked directly.
void* current_cuda_stream(int32_t device);
// Throws with the name of the CUDA error.
void check_cuda(int error, const char* what);
// Contiguous offsets of clouds of num_rows rows in all, for kernels that run later on the stream: see cuda_offsets.h.
inline Tensor cloud_offsets_on_cuda(const Tensor& offsets, int64_t num_rows, const char* name, void* stream) {
  Tensor out = torch::stable::contiguous(offsets);
  STD_TORCH_CHECK(out.numel() > 0, name, " must have at least one entry, got none");
  check_cuda(assert_offsets_cuda(data<int64_t>(out), out.numel(), num_rows, stream), name);
  return out;
}
// Bytes that kernels write and nobody returns, from torch's allocator, on the device of `like`.
inline Tensor new_workspace(const Tensor& like, int64_t bytes) {
  return torch::stable::new_empty(like, std::vector<int64_t>{bytes}, ScalarType::Byte);
}
#endif

}  // namespace geopt
