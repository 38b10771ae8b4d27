// What host and device code share.
#pragma once

#if defined(__CUDACC__)
#define GEOPT_HD __host__ __device__ __forceinline__
#else
// Static, not merely inline: files compiled for different processors must not share one copy (common/simd.h).
#define GEOPT_HD static inline
#endif
