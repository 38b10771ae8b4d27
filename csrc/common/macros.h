// What host and device code share.
#pragma once

#if defined(__CUDACC__)
#define GEOPT_HD __host__ __device__ __forceinline__
#else
#define GEOPT_HD inline
#endif
