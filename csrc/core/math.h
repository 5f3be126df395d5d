#pragma once
// PA_HD marks arithmetic that CPU and CUDA kernels share (core/<op>_math.h), so that the two
// backends cannot drift apart. Write `static PA_HD`: each instruction set keeps its own copy (cpu/isa.h).
#if defined(__CUDACC__)
#define PA_HD __host__ __device__ inline
#else
#define PA_HD inline
#endif
