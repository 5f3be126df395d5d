#pragma once
// As much of the CUDA runtime as the kernels use, on the CPU: the sources of csrc/cuda compile as C++ against this
// folder, and launch() runs them block by block, a fiber for each thread (device/). What this cannot show: timing,
// spinning on another block, and rounding where the device approximates.
#include <math.h>

#include "device/atomics.h"
#include "device/device.h"
#include "device/intrinsics.h"
#include "device/vector_types.h"
#include "device/warp.h"

#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __shared__ static  // alignas(16) __shared__ T x, in this order
#define __align__(n) __attribute__((aligned(n)))
#define __restrict__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__

#define threadIdx ::emulated::place.thread
#define blockIdx ::emulated::place.block
#define blockDim ::emulated::place.threads
#define gridDim ::emulated::place.blocks
constexpr int warpSize = 32;

inline void __syncthreads(EMULATED_WHERE) { emulated::barrier(0, {"__syncthreads", file, line}); }
inline int __syncthreads_or(int predicate, EMULATED_WHERE) {
  return emulated::barrier(predicate, {"__syncthreads_or", file, line}).nonzero > 0;
}
inline int __syncthreads_and(int predicate, EMULATED_WHERE) {
  const emulated::Votes v = emulated::barrier(predicate, {"__syncthreads_and", file, line});
  return v.nonzero == v.threads;
}
inline int __syncthreads_count(int predicate, EMULATED_WHERE) {
  return emulated::barrier(predicate, {"__syncthreads_count", file, line}).nonzero;
}
inline void __threadfence() { emulated::fence(); }
inline void __threadfence_block() { emulated::fence(); }
inline void __threadfence_system() { emulated::fence(); }
#define __trap() ::emulated::fault("__trap at " __FILE__)

#include "device/runtime_api.h"
