// hard_swish in place: the definition of csrc/cpu/hard_swish.cpp. Method: a thread an element. Shared memory: none.
// Numerics: float32, as on the CPU.
#include "cuda/hard_swish.cuh"
#include "cuda/kernels.h"
#include "cuda/launch.cuh"

namespace pyapdraw {
namespace cuda {

namespace {

constexpr int kThreads = 256;

PA_KERNEL __launch_bounds__(kThreads) void hard_swish_kernel(float* x, int64_t count) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i < count) x[i] = hard_swished(x[i]);
}

}  // namespace

void hard_swish(const Tensor& x, const Context& ctx) {
  launch(hard_swish_kernel, dim3(blocks(x.numel(), kThreads)), dim3(kThreads), 0, ctx, x.as<float>(), x.numel());
}

}  // namespace cuda
}  // namespace pyapdraw
