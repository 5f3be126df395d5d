#pragma once
// As much of the CUDA runtime as the kernels use, on the CPU: the sources of csrc/cuda compile
// as C++ against this folder, and launch() runs them block by block, a fiber for each thread.
// What this cannot show: races between threads of a warp, and limits of a real device.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <new>

#include "runtime.h"

#define __global__
#define __device__
#define __host__
#define __shared__ static
#define __restrict__

struct Dim3 {
  unsigned x, y, z;
  Dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
using dim3 = Dim3;

constexpr int cudaFuncAttributeMaxDynamicSharedMemorySize = 8;
template <typename F>
cudaError_t cudaFuncSetAttribute(F*, int, int) { return cudaSuccess; }

namespace emulated {
struct Place {
  dim3 thread, block, threads, blocks;
};
extern Place place;
extern void* shared;
void wait();  // until every thread of the block has come here, or has ended
void run(dim3 grid, dim3 block, size_t shared_bytes, void (*body)(void*), void* arg);
}  // namespace emulated

#define threadIdx ::emulated::place.thread
#define blockIdx ::emulated::place.block
#define blockDim ::emulated::place.threads
#define gridDim ::emulated::place.blocks
inline void __syncthreads() { emulated::wait(); }

template <typename T>
inline T min(T a, T b) { return b < a ? b : a; }
template <typename T>
inline T max(T a, T b) { return a < b ? b : a; }
