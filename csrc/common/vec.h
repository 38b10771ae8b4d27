// Vectors of the width that a level has, for kernel files only (see simd.h): lane-wise arithmetic is written with
// operators, and what has no operator is here. Every level gives the same bits.
#pragma once

#include <stdint.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

#include "common/macros.h"

// g++ 12 takes the undefined operand inside its own intrinsics for a mistake of ours.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#define GEOPT_INLINE static inline __attribute__((always_inline))

namespace geopt::GEOPT_LEVEL {
namespace {

#if defined(GEOPT_AVX512)
constexpr int kWidth = 16;
#elif defined(GEOPT_AVX2)
constexpr int kWidth = 8;
#else
constexpr int kWidth = 4;
#endif

typedef float Floats __attribute__((vector_size(4 * kWidth)));
typedef int32_t Ints __attribute__((vector_size(4 * kWidth)));

GEOPT_INLINE Floats load(const float* from) {
  Floats v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}
GEOPT_INLINE Ints load(const int32_t* from) {
  Ints v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}
GEOPT_INLINE void store(float* to, Floats v) { __builtin_memcpy(to, &v, sizeof v); }
GEOPT_INLINE void store(int32_t* to, Ints v) { __builtin_memcpy(to, &v, sizeof v); }

// Stores 64 aligned bytes past the cache: to lines that would be fetched only to be overwritten, and are not read soon.
// Before other threads may read them, end_direct_stores.
GEOPT_INLINE void store_directly(void* to, const void* from) {
#ifdef GEOPT_AVX512
  _mm512_stream_si512(static_cast<__m512i*>(to), _mm512_loadu_si512(from));
#else
  __builtin_memcpy(to, from, 64);
#endif
}
GEOPT_INLINE void end_direct_stores() {
#ifdef GEOPT_AVX512
  _mm_sfence();
#endif
}

GEOPT_INLINE Floats all(float x) { return x - Floats{}; }
GEOPT_INLINE Ints all(int32_t x) { return x - Ints{}; }
GEOPT_INLINE Ints bits(Floats v) { return (Ints)v; }

template <class V>
GEOPT_INLINE V least(V a, V b) {
  return a < b ? a : b;
}
template <class V>
GEOPT_INLINE V most(V a, V b) {
  return a > b ? a : b;
}

// The same for floats, in the one instruction that a compiler does not find where a constant is 0 or infinity.
GEOPT_INLINE Floats least(Floats a, Floats b) {
#if defined(GEOPT_AVX512)
  return (Floats)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(GEOPT_AVX2)
  return (Floats)_mm256_min_ps((__m256)a, (__m256)b);
#elif defined(__x86_64__)
  return (Floats)_mm_min_ps((__m128)a, (__m128)b);
#else
  return a < b ? a : b;
#endif
}
GEOPT_INLINE Floats most(Floats a, Floats b) {
#if defined(GEOPT_AVX512)
  return (Floats)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(GEOPT_AVX2)
  return (Floats)_mm256_max_ps((__m256)a, (__m256)b);
#elif defined(__x86_64__)
  return (Floats)_mm_max_ps((__m128)a, (__m128)b);
#else
  return a > b ? a : b;
#endif
}

// Least and greatest lane.
GEOPT_INLINE float lowest(Floats v) {
#ifdef GEOPT_AVX512
  return _mm512_reduce_min_ps((__m512)v);
#else
  float low = v[0];
  for (int i = 1; i < kWidth; ++i) low = v[i] < low ? v[i] : low;
  return low;
#endif
}
GEOPT_INLINE float highest(Floats v) { return -lowest(-v); }

// Bit i is set where a <= b in lane i.
GEOPT_INLINE uint32_t mask_of_at_most(Floats a, Floats b) {
#if defined(GEOPT_AVX512)
  return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ);
#elif defined(GEOPT_AVX2)
  return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_LE_OQ)));
#elif defined(__x86_64__)
  return static_cast<uint32_t>(_mm_movemask_ps(_mm_cmple_ps(a, b)));
#else
  uint32_t mask = 0;
  for (int i = 0; i < kWidth; ++i) mask |= static_cast<uint32_t>(a[i] <= b[i]) << i;
  return mask;
#endif
}

// Bit i is set where lane i is not 0.
GEOPT_INLINE uint32_t mask_of(Ints v) {
#if defined(GEOPT_AVX512)
  return _mm512_test_epi32_mask((__m512i)v, (__m512i)v);
#else
  uint32_t mask = 0;
  for (int i = 0; i < kWidth; ++i) mask |= static_cast<uint32_t>(v[i] != 0) << i;
  return mask;
#endif
}

#if defined(__x86_64__) && !defined(GEOPT_AVX512)
// For each mask of 4 or 8 lanes, the lanes that are set, in order.
struct Packing {
  alignas(64) uint8_t lane[1 << (kWidth == 8 ? 8 : 4)][kWidth == 8 ? 8 : 16];
  constexpr Packing() : lane() {
    for (int mask = 0; mask < 1 << kWidth; ++mask)
      for (int i = 0, at = 0; i < kWidth; ++i)
        if (mask >> i & 1) {
          if (kWidth == 8) lane[mask][at++] = static_cast<uint8_t>(i);
          else
            for (int b = 0; b < 4; ++b) lane[mask][at++] = static_cast<uint8_t>(4 * i + b);
        }
  }
};
constexpr Packing kPacking;
#endif

// Writes the lanes whose bit is set one after the other and returns how many; `to` has room for a whole vector.
GEOPT_INLINE int pack(int32_t* to, Ints v, uint32_t mask) {
#if defined(GEOPT_AVX512)
  // Not the compressing store: it is slower than both its halves.
  _mm512_storeu_si512(to, _mm512_maskz_compress_epi32(static_cast<__mmask16>(mask), (__m512i)v));
  return __builtin_popcount(mask);
#elif defined(GEOPT_AVX2)
  const __m128i lanes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(kPacking.lane[mask]));
  const __m256i packed = _mm256_permutevar8x32_epi32((__m256i)v, _mm256_cvtepu8_epi32(lanes));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), packed);
  return __builtin_popcount(mask);
#elif defined(__x86_64__)
  const __m128i lanes = _mm_load_si128(reinterpret_cast<const __m128i*>(kPacking.lane[mask]));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_shuffle_epi8((__m128i)v, lanes));
  return __builtin_popcount(mask);
#else
  int count = 0;
  for (int i = 0; i < kWidth; ++i) {
    to[count] = v[i];
    count += mask >> i & 1;
  }
  return count;
#endif
}
GEOPT_INLINE int pack(float* to, Floats v, uint32_t mask) {
  return pack(reinterpret_cast<int32_t*>(to), (Ints)v, mask);
}

// Transposes each 4 x 4 block that the 128-bit parts of four vectors form.
GEOPT_INLINE void transpose_blocks(Floats& a, Floats& b, Floats& c, Floats& d) {
#if defined(GEOPT_AVX512)
  const __m512d ab = _mm512_castps_pd(_mm512_unpacklo_ps(a, b)), cd = _mm512_castps_pd(_mm512_unpacklo_ps(c, d));
  const __m512d AB = _mm512_castps_pd(_mm512_unpackhi_ps(a, b)), CD = _mm512_castps_pd(_mm512_unpackhi_ps(c, d));
  a = (Floats)_mm512_unpacklo_pd(ab, cd), b = (Floats)_mm512_unpackhi_pd(ab, cd);
  c = (Floats)_mm512_unpacklo_pd(AB, CD), d = (Floats)_mm512_unpackhi_pd(AB, CD);
#elif defined(GEOPT_AVX2)
  const __m256d ab = _mm256_castps_pd(_mm256_unpacklo_ps(a, b)), cd = _mm256_castps_pd(_mm256_unpacklo_ps(c, d));
  const __m256d AB = _mm256_castps_pd(_mm256_unpackhi_ps(a, b)), CD = _mm256_castps_pd(_mm256_unpackhi_ps(c, d));
  a = (Floats)_mm256_unpacklo_pd(ab, cd), b = (Floats)_mm256_unpackhi_pd(ab, cd);
  c = (Floats)_mm256_unpacklo_pd(AB, CD), d = (Floats)_mm256_unpackhi_pd(AB, CD);
#else
  const Floats ab = __builtin_shuffle(a, b, Ints{0, 4, 1, 5}), cd = __builtin_shuffle(c, d, Ints{0, 4, 1, 5});
  const Floats AB = __builtin_shuffle(a, b, Ints{2, 6, 3, 7}), CD = __builtin_shuffle(c, d, Ints{2, 6, 3, 7});
  a = __builtin_shuffle(ab, cd, Ints{0, 1, 4, 5}), b = __builtin_shuffle(ab, cd, Ints{2, 3, 6, 7});
  c = __builtin_shuffle(AB, CD, Ints{0, 1, 4, 5}), d = __builtin_shuffle(AB, CD, Ints{2, 3, 6, 7});
#endif
}

// Four floats from each of kWidth / 4 places, at(0), at(1), ..., one after the other.
template <class At>
GEOPT_INLINE Floats load_quads(const At& at) {
#if defined(GEOPT_AVX512)
  __m512 v = _mm512_castps128_ps512(_mm_loadu_ps(at(0)));
  v = _mm512_insertf32x4(v, _mm_loadu_ps(at(1)), 1);
  v = _mm512_insertf32x4(v, _mm_loadu_ps(at(2)), 2);
  return (Floats)_mm512_insertf32x4(v, _mm_loadu_ps(at(3)), 3);
#elif defined(GEOPT_AVX2)
  return (Floats)_mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(at(0))), _mm_loadu_ps(at(1)), 1);
#else
  return load(at(0));
#endif
}

// Rows of four floats from kWidth places become four vectors: lane i of a, b, c and d is what lies at(i).
template <class At>
GEOPT_INLINE void load_transposed(const At& at, Floats& a, Floats& b, Floats& c, Floats& d) {
  a = load_quads([&](int quad) __attribute__((always_inline)) { return at(4 * quad); });
  b = load_quads([&](int quad) __attribute__((always_inline)) { return at(4 * quad + 1); });
  c = load_quads([&](int quad) __attribute__((always_inline)) { return at(4 * quad + 2); });
  d = load_quads([&](int quad) __attribute__((always_inline)) { return at(4 * quad + 3); });
  transpose_blocks(a, b, c, d);
}

}  // namespace
}  // namespace geopt::GEOPT_LEVEL
