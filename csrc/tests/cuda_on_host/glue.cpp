// The place of csrc/common/cuda_stream.cpp where there is no GPU.
#include "common/tensor.h"
#include "cuda_on_host.h"

namespace geopt {

void* current_cuda_stream(int32_t) { return nullptr; }

void check_cuda(int error, const char* what) { STD_TORCH_CHECK(error == 0, what, ": error ", error); }

void set_thread_order(int64_t order) { cuda_on_host::thread_order = static_cast<unsigned>(order); }

}  // namespace geopt

STABLE_TORCH_LIBRARY_FRAGMENT(geopt_on_host, m) { m.def("set_thread_order(int order) -> ()"); }

STABLE_TORCH_LIBRARY_IMPL(geopt_on_host, CompositeExplicitAutograd, m) {
  m.impl("set_thread_order", TORCH_BOX(&geopt::set_thread_order));
}
