// Instruction sets beyond the platform's base, chosen at run time.
//
//   level    x86-64 feature level   what kernels gain
//   base     v2 (SSE4.2)            every processor of the platform; the only level elsewhere than on x86-64
//   avx2     v3 (AVX2, BMI, FMA)    vectors of 8 floats
//   avx512   v4 (AVX-512 F BW CD DQ VL)   vectors of 16 floats, masks
//
// A kernel with levels is one file that three others include, each in a namespace of its own:
//
//   <op>_avx2.cpp:   #include "common/level_avx2.h"     (level_base.h in <op>_base.cpp, without the #ifdef)
//                    #ifdef GEOPT_X86
//                    #include "ops/<op>/<op>_kernel.inl"
//                    #endif
//   <op>_kernel.inl: namespace geopt::GEOPT_LEVEL { namespace { helpers } void run(const float* xyz, int64_t n) {...} }
//   <op>_kernel.h:   GEOPT_DECLARE_LEVELS(void run(const float* xyz, int64_t n))
//   <op>_cpu.cpp:    GEOPT_LEVEL_IN_USE(run)(xyz, n);
//
// Results are the same at every level: the build forbids fused multiply-adds, and kernels sum in one fixed order.
//
// The linker keeps one copy of an inline function or template that several files instantiate, perhaps the one compiled
// for a processor that is not there. So a kernel file uses GEOPT_HD functions (static), its own unnamed namespace, and
// raw pointers; no std:: templates or inline classes. tests/ops/test_simd.py looks for such symbols.
#pragma once

#if defined(__x86_64__)
#define GEOPT_X86
#define GEOPT_DECLARE_LEVELS(...)        \
  namespace base { __VA_ARGS__; }        \
  namespace avx2 { __VA_ARGS__; }        \
  namespace avx512 { __VA_ARGS__; }
#define GEOPT_LEVEL_IN_USE(function)                                   \
  (::geopt::simd_level() == ::geopt::SimdLevel::avx512 ? avx512::function \
   : ::geopt::simd_level() == ::geopt::SimdLevel::avx2 ? avx2::function   \
                                                       : base::function)
#else
#define GEOPT_DECLARE_LEVELS(...) \
  namespace base { __VA_ARGS__; }
#define GEOPT_LEVEL_IN_USE(function) base::function
#endif

namespace geopt {

enum class SimdLevel : int { base, avx2, avx512 };

// The highest that this processor, and the operating system on it, allow.
SimdLevel processor_simd_level();

// What kernels run at: the processor's level unless choose_simd_level said otherwise.
SimdLevel simd_level();

const char* name_of(SimdLevel level);

// Takes "base", "avx2" or "avx512". On any other name, or a level that the processor lacks, changes nothing and
// returns what is wrong, without a full stop; else nullptr.
const char* choose_simd_level(const char* name);

}  // namespace geopt
