// What host and device code share.
#pragma once

#if defined(__CUDACC__)
#define GEOPT_HD __host__ __device__ __forceinline__
#define GEOPT_HD_MEMBER __host__ __device__ __forceinline__
#else
// Static, not merely inline: files compiled for different processors must not share one copy (common/simd.h).
#define GEOPT_HD static inline
#define GEOPT_HD_MEMBER inline
#endif

// Arrays that are indexed in a loop stay in registers only where the loop is unrolled.
#if defined(__CUDACC__)
#define GEOPT_UNROLL _Pragma("unroll")
#else
#define GEOPT_UNROLL
#endif
