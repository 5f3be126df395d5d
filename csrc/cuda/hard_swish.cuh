#pragma once
// hard_swish of one number: csrc/cpu/hard_swish.cpp.
#include <cuda_runtime.h>

namespace pyapdraw {
namespace cuda {

__device__ inline float hard_swished(float v) {
  float gate = v + 3.0f;
  gate = gate < 0.0f ? 0.0f : gate;
  gate = gate > 6.0f ? 6.0f : gate;
  return v * gate / 6.0f;
}

}  // namespace cuda
}  // namespace pyapdraw
