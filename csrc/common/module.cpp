// `import geopt._C` loads this library; the ops register themselves with torch while it loads.
#define Py_LIMITED_API 0x030a0000
#include <Python.h>

#include <torch/csrc/stable/library.h>

#include <cstdlib>
#include <string>

#include "common/simd.h"

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

std::string processor_simd() { return geopt::name_of(geopt::processor_simd_level()); }
std::string simd() { return geopt::name_of(geopt::simd_level()); }

std::string refused(const std::string& name, const char* why) {
  return "GEOPT_SIMD: " + std::string(why) + ", got '" + name + "'; this processor runs " + processor_simd() +
         " and what is below it";
}

// For tests: kernels that start later run at this level. Returns the one before.
std::string set_simd(std::string name) {
  const std::string before = simd();
  const char* const why = geopt::choose_simd_level(name.c_str());
  STD_TORCH_CHECK(why == nullptr, refused(name, why));
  return before;
}

}  // namespace

STABLE_TORCH_LIBRARY_FRAGMENT(geopt, m) {
  m.def("build_info() -> str");
  m.def("processor_simd() -> str");
  m.def("simd() -> str");
  m.def("set_simd(str level) -> str");
}

STABLE_TORCH_LIBRARY_IMPL(geopt, CompositeExplicitAutograd, m) {
  m.impl("build_info", TORCH_BOX(&build_info));
  m.impl("processor_simd", TORCH_BOX(&processor_simd));
  m.impl("simd", TORCH_BOX(&simd));
  m.impl("set_simd", TORCH_BOX(&set_simd));
}

PyMODINIT_FUNC PyInit__C(void) {
  const char* const level = std::getenv("GEOPT_SIMD");
  const char* const why = level ? geopt::choose_simd_level(level) : nullptr;
  if (why) {
    PyErr_SetString(PyExc_ValueError, refused(level, why).c_str());
    return nullptr;
  }
  static PyModuleDef definition = {
      PyModuleDef_HEAD_INIT, "_C", "Compiled ops of geopt.", -1, nullptr, nullptr, nullptr, nullptr, nullptr};
  return PyModule_Create(&definition);
}
