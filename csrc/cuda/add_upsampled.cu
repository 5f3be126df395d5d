// Adds a map of half the resolution, each of its pixels to four, in place: the definition of
// csrc/cpu/add_upsampled.cpp. Method: a thread four neighbouring channels of a pixel, in one access of 16 bytes, or one
// channel where they do not lie so. The coarse pixel is read four times, three of them from the cache. Shared memory:
// none. Numerics: one addition and one multiplication in float32.
#include "cuda/channels.cuh"
#include "cuda/kernels.h"
#include "cuda/launch.cuh"

namespace pyapdraw {
namespace cuda {

namespace {

constexpr int kThreads = 256;

__device__ float active(float sum, float slope) { return sum > 0 ? sum : sum * slope; }

template <int C>
PA_KERNEL __launch_bounds__(kThreads) void add_upsampled_kernel(Tensor x, Tensor coarse, int top, int left, float slope,
                                                                int64_t count) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x, groups = x.shape[3] / C;
  if (index >= count) return;
  const int64_t c = index % groups * C, u = index / groups % x.shape[2], row = index / groups / x.shape[2];
  const int64_t y = row % x.shape[1], n = row / x.shape[1];
  float* to = x.as<float>() + n * x.stride[0] + y * x.stride[1] + u * x.stride[2] + c;
  const float* from = coarse.as<float>() + n * coarse.stride[0] + (top + y) / 2 * coarse.stride[1] +
                      (left + u) / 2 * coarse.stride[2] + c;
  if (C == 4) {
    const float4 a = *reinterpret_cast<const float4*>(to), b = *reinterpret_cast<const float4*>(from);
    *reinterpret_cast<float4*>(to) = make_float4(active(a.x + b.x, slope), active(a.y + b.y, slope),
                                                 active(a.z + b.z, slope), active(a.w + b.w, slope));
  } else {
    to[0] = active(to[0] + from[0], slope);
  }
}

}  // namespace

void add_upsampled(const Tensor& x, const Tensor& coarse, int top, int left, float slope, const Context& ctx) {
  const bool wide = channel_quads(x) && channel_quads(coarse);
  const int64_t count = x.numel() / (wide ? 4 : 1);
  launch(wide ? add_upsampled_kernel<4> : add_upsampled_kernel<1>, dim3(blocks(count, kThreads)), dim3(kThreads), 0,
         ctx, x, coarse, top, left, slope, count);
}

}  // namespace cuda
}  // namespace pyapdraw
