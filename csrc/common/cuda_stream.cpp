// torch's current stream, looked up weakly: a CPU build of torch has no such symbol, and this library loads there too.
#ifdef GEOPT_WITH_CUDA

#include <cuda_runtime_api.h>

#include "common/tensor.h"

extern "C" __attribute__((weak)) AOTITorchError aoti_torch_get_current_cuda_stream(int32_t device, void** stream);

namespace geopt {

void* current_cuda_stream(int32_t device) {
  STD_TORCH_CHECK(aoti_torch_get_current_cuda_stream != nullptr, "this torch was built without CUDA");
  void* stream = nullptr;
  STABLE_TORCH_ERROR_CODE_CHECK(aoti_torch_get_current_cuda_stream(device, &stream));
  return stream;
}

void check_cuda(int error, const char* what) {
  STD_TORCH_CHECK(error == 0, what, ": ", cudaGetErrorString(static_cast<cudaError_t>(error)));
}

}  // namespace geopt

#endif
