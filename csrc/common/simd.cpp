#include "common/simd.h"

#include <atomic>
#include <cstring>
#include <initializer_list>

namespace geopt {
namespace {

std::atomic<SimdLevel>& level_in_use() {
  static std::atomic<SimdLevel> level{processor_simd_level()};
  return level;
}

}  // namespace

SimdLevel processor_simd_level() {
#ifdef GEOPT_X86
  __builtin_cpu_init();
  if (__builtin_cpu_supports("x86-64-v4")) return SimdLevel::avx512;
  if (__builtin_cpu_supports("x86-64-v3")) return SimdLevel::avx2;
#endif
  return SimdLevel::base;
}

SimdLevel simd_level() { return level_in_use().load(std::memory_order_relaxed); }

const char* name_of(SimdLevel level) {
  return level == SimdLevel::avx512 ? "avx512" : level == SimdLevel::avx2 ? "avx2" : "base";
}

const char* choose_simd_level(const char* name) {
  for (const SimdLevel level : {SimdLevel::base, SimdLevel::avx2, SimdLevel::avx512}) {
    if (std::strcmp(name, name_of(level)) != 0) continue;
    if (level > processor_simd_level()) return "this processor lacks it";
    level_in_use().store(level, std::memory_order_relaxed);
    return nullptr;
  }
  return "must be base, avx2 or avx512";
}

}  // namespace geopt
