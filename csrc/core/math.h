#pragma once
// PA_HD marks arithmetic that CPU and CUDA kernels share (core/<op>_math.h), so that the two
// backends cannot drift apart. Static: each instruction set keeps its own copy (cpu/isa.h).
#if defined(__CUDACC__)
#define PA_HD static __host__ __device__ inline
#else
#define PA_HD static inline
#endif
