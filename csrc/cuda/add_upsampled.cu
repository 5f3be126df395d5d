// Adds a map of half the resolution, each of its pixels to four, in place: the definition of
// csrc/cpu/add_upsampled.cpp. Method: a thread four neighbouring channels of a pixel, in one access of 16 bytes, or one
// channel where they do not lie so. The coarse pixel is read four times, three of them from the cache. Shared memory:
// none. Bilinear: a thread a channel. Numerics: float32, in the order of the CPU.
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

// A thread a channel of a pixel: four coarse pixels, blended down first, then across.
PA_KERNEL __launch_bounds__(kThreads) void add_upsampled_bilinear_kernel(Tensor x, Tensor coarse, float slope,
                                                                         int64_t count) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (index >= count) return;
  const int64_t c = index % x.shape[3], u = index / x.shape[3] % x.shape[2], row = index / x.shape[3] / x.shape[2];
  const int64_t y = row % x.shape[1], n = row / x.shape[1], tall = coarse.shape[1], wide = coarse.shape[2];
  const int64_t near_y = y / 2, near_u = u / 2;
  const int64_t next_y = y % 2 ? (near_y + 1 < tall ? near_y + 1 : near_y) : (near_y ? near_y - 1 : 0);
  const int64_t next_u = u % 2 ? (near_u + 1 < wide ? near_u + 1 : near_u) : (near_u ? near_u - 1 : 0);
  const float* from = coarse.as<float>() + n * coarse.stride[0] + c;
  const float *near_row = from + near_y * coarse.stride[1], *next_row = from + next_y * coarse.stride[1];
  const int64_t here = near_u * coarse.stride[2], there = next_u * coarse.stride[2];
  const float near_value = near_row[here] * 0.75f + next_row[here] * 0.25f;
  const float next_value = near_row[there] * 0.75f + next_row[there] * 0.25f;
  float* to = x.as<float>() + n * x.stride[0] + y * x.stride[1] + u * x.stride[2] + c;
  to[0] = active(to[0] + (near_value * 0.75f + next_value * 0.25f), slope);
}

}  // namespace

void add_upsampled(const Tensor& x, const Tensor& coarse, int top, int left, float slope, Enlarged how,
                   const Context& ctx) {
  if (how == Enlarged::bilinear) {
    launch(add_upsampled_bilinear_kernel, dim3(blocks(x.numel(), kThreads)), dim3(kThreads), 0, ctx, x, coarse, slope,
           x.numel());
    return;
  }
  const bool wide = channel_quads(x) && channel_quads(coarse);
  const int64_t count = x.numel() / (wide ? 4 : 1);
  launch(wide ? add_upsampled_kernel<4> : add_upsampled_kernel<1>, dim3(blocks(count, kThreads)), dim3(kThreads), 0,
         ctx, x, coarse, top, left, slope, count);
}

}  // namespace cuda
}  // namespace pyapdraw
