// Depthwise 2D convolution with bias and an activation: the definition of csrc/cpu/depthwise_conv2d.cpp. Method: a
// thread four neighbouring channels of an output pixel, in accesses of 16 bytes, or one channel where they do not lie
// so; taps beyond the border are left out. Windows of neighbouring threads meet in the cache. Shared memory: none.
// Numerics: one float32 accumulator an output, from the bias on in the order ky, kx, as on the CPU.
#include "cuda/channels.cuh"
#include "cuda/hard_swish.cuh"
#include "cuda/kernels.h"
#include "cuda/launch.cuh"

namespace pyapdraw {
namespace cuda {

namespace {

constexpr int kThreads = 256;

__device__ float active(float v, MapActivation activation) {
  if (activation == MapActivation::relu) return v < 0 ? 0.0f : v;  // NaN stays
  return activation == MapActivation::hard_swish ? hard_swished(v) : v;
}

// Neighbouring channels: one, or four in one access.
__device__ float multiplied(float a, float b, float sum) { return sum + a * b; }
__device__ float4 multiplied(float4 a, float4 b, float4 sum) {
  return make_float4(sum.x + a.x * b.x, sum.y + a.y * b.y, sum.z + a.z * b.z, sum.w + a.w * b.w);
}
__device__ float4 active(float4 v, MapActivation how) {
  return make_float4(active(v.x, how), active(v.y, how), active(v.z, how), active(v.w, how));
}

template <typename V>
PA_KERNEL __launch_bounds__(kThreads) void depthwise_conv2d_kernel(Tensor x, Tensor weight, Tensor bias, Tensor out,
                                                                   int stride, int pad, MapActivation activation,
                                                                   int64_t count) {
  constexpr int kChannels = sizeof(V) / sizeof(float);
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x, channels = x.shape[3];
  if (index >= count) return;
  const int64_t groups = channels / kChannels, c = index % groups * kChannels, u = index / groups % out.shape[2];
  const int64_t row = index / groups / out.shape[2], y = row % out.shape[1], n = row / out.shape[1];
  const int64_t top = y * stride - pad, left = u * stride - pad;
  const int kh = static_cast<int>(weight.shape[0]), kw = static_cast<int>(weight.shape[1]);
  const float* from = x.as<float>() + n * x.stride[0] + c;
  const float* taps = weight.as<float>() + c;
  V sum = *reinterpret_cast<const V*>(bias.as<float>() + c);
  for (int ky = 0; ky < kh; ++ky, taps += kw * channels) {
    if (top + ky < 0 || top + ky >= x.shape[1]) continue;
    const float* at = from + (top + ky) * x.stride[1] + left * x.stride[2];
    const float* tap = taps;
    for (int kx = 0; kx < kw; ++kx, at += x.stride[2], tap += channels)
      if (left + kx >= 0 && left + kx < x.shape[2])
        sum = multiplied(*reinterpret_cast<const V*>(at), *reinterpret_cast<const V*>(tap), sum);
  }
  float* to = out.as<float>() + n * out.stride[0] + y * out.stride[1] + u * out.stride[2] + c;
  *reinterpret_cast<V*>(to) = active(sum, activation);
}

}  // namespace

void depthwise_conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& out, int stride, int pad,
                      MapActivation activation, const Context& ctx) {
  const bool wide = channel_quads(x) && channel_quads(out) && reinterpret_cast<uintptr_t>(weight.data) % 16 == 0 &&
                    reinterpret_cast<uintptr_t>(bias.data) % 16 == 0;
  const int64_t count = out.numel() / (wide ? 4 : 1);
  launch(wide ? depthwise_conv2d_kernel<float4> : depthwise_conv2d_kernel<float>, dim3(blocks(count, kThreads)),
         dim3(kThreads), 0, ctx, x, weight, bias, out, stride, pad, activation, count);
}

}  // namespace cuda
}  // namespace pyapdraw
