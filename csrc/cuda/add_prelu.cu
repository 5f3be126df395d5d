// The end of a residual block, in place: the definition of csrc/cpu/add_prelu.cpp. Method: a thread four neighbouring
// channels of a pixel, in accesses of 16 bytes, or one channel where they do not lie so. Shared memory: none.
// Numerics: one addition and one multiplication in float32.
#include "cuda/channels.cuh"
#include "cuda/kernels.h"
#include "cuda/launch.cuh"

namespace pyapdraw {
namespace cuda {

namespace {

constexpr int kThreads = 256;

__device__ float prelu(float sum, float slope) { return sum > 0 ? sum : sum * slope; }

template <int C>
PA_KERNEL __launch_bounds__(kThreads) void add_prelu_kernel(Tensor x, Tensor other, Tensor slope, int64_t count) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x, groups = x.shape[3] / C;
  if (index >= count) return;
  const int64_t c = index % groups * C, u = index / groups % x.shape[2], row = index / groups / x.shape[2];
  const int64_t y = row % x.shape[1], n = row / x.shape[1];
  const bool added = c < other.shape[3];
  float* to = x.as<float>() + n * x.stride[0] + y * x.stride[1] + u * x.stride[2] + c;
  const float* from = other.as<float>() + n * other.stride[0] + y * other.stride[1] + u * other.stride[2] + c;
  const float* s = slope.as<float>() + c;
  if (C == 4) {
    const float4 a = *reinterpret_cast<const float4*>(to), t = *reinterpret_cast<const float4*>(s);
    const float4 b = added ? *reinterpret_cast<const float4*>(from) : make_float4(0, 0, 0, 0);
    *reinterpret_cast<float4*>(to) =
        make_float4(prelu(a.x + b.x, t.x), prelu(a.y + b.y, t.y), prelu(a.z + b.z, t.z), prelu(a.w + b.w, t.w));
  } else {
    to[0] = prelu(to[0] + (added ? from[0] : 0.0f), s[0]);
  }
}

}  // namespace

void add_prelu(const Tensor& x, const Tensor& other, const Tensor& slope, const Context& ctx) {
  const bool wide = channel_quads(x) && channel_quads(other) && reinterpret_cast<uintptr_t>(slope.data) % 16 == 0;
  const int64_t count = x.numel() / (wide ? 4 : 1);
  launch(wide ? add_prelu_kernel<4> : add_prelu_kernel<1>, dim3(blocks(count, kThreads)), dim3(kThreads), 0, ctx, x,
         other, slope, count);
}

}  // namespace cuda
}  // namespace pyapdraw
