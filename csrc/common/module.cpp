// `import geopt._C` loads this library; the ops register themselves with torch while it loads.
#define Py_LIMITED_API 0x030a0000
#include <Python.h>

#include <torch/csrc/stable/library.h>

#include <string>

namespace {

std::string build_info() {
  std::string info = "cuda_archs=";
#ifdef GEOPT_CUDA_ARCHS
  info += GEOPT_CUDA_ARCHS;
#endif
  info += ";nvcc=";
#ifdef GEOPT_NVCC_VERSION
  info += GEOPT_NVCC_VERSION;
#endif
  info += ";compiler=";
  info += __VERSION__;
  return info;
}

std::string processor_simd() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw"))
    return "avx512";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "avx2";
#endif
  return "base";
}

}  // namespace

STABLE_TORCH_LIBRARY_FRAGMENT(geopt, m) {
  m.def("build_info() -> str");
  m.def("processor_simd() -> str");
}

STABLE_TORCH_LIBRARY_IMPL(geopt, CompositeExplicitAutograd, m) {
  m.impl("build_info", TORCH_BOX(&build_info));
  m.impl("processor_simd", TORCH_BOX(&processor_simd));
}

PyMODINIT_FUNC PyInit__C(void) {
  static PyModuleDef definition = {
      PyModuleDef_HEAD_INIT, "_C", "Compiled ops of geopt.", -1, nullptr, nullptr, nullptr, nullptr, nullptr};
  return PyModule_Create(&definition);
}
