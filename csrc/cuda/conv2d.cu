// 2D convolution with bias and PReLU, and max pooling, on channel-last float32: the definitions of
// csrc/cpu/conv2d.cpp. Plain kernels for completeness, one thread an output element with the channel
// innermost, so that neighbouring threads read neighbouring weights; the sum runs in the order ky, kx, i
// in one float32 accumulator, as on the CPU. No shared memory.
#include "cuda/kernels.h"
#include "cuda/launch.cuh"

namespace pyapdraw {
namespace cuda {

namespace {

constexpr int kThreads = 256;

__device__ float* floats(const Tensor& t) { return static_cast<float*>(t.data); }

struct Position {
  int64_t n, y, x, c;
};

__device__ Position position(const Tensor& t, int64_t i) {
  Position p;
  p.c = i % t.shape[3];
  i /= t.shape[3];
  p.x = i % t.shape[2];
  i /= t.shape[2];
  p.y = i % t.shape[1];
  p.n = i / t.shape[1];
  return p;
}

PA_KERNEL void conv2d_kernel(Tensor x, Tensor weight, Tensor bias, Tensor slope, Tensor out, int stride, int pad,
                             int64_t count) {
  const int64_t i = blockIdx.x * static_cast<int64_t>(kThreads) + threadIdx.x;
  if (i >= count) return;
  const Position p = position(out, i);
  const int64_t kh = weight.shape[0], kw = weight.shape[1], channels = x.shape[3], outputs = weight.shape[3];
  const float* in = floats(x) + p.n * x.stride[0];
  float sum = floats(bias)[p.c];
  for (int64_t ky = 0; ky < kh; ++ky) {
    const int64_t v = p.y * stride + ky - pad;
    if (v < 0 || v >= x.shape[1]) continue;
    for (int64_t kx = 0; kx < kw; ++kx) {
      const int64_t u = p.x * stride + kx - pad;
      if (u < 0 || u >= x.shape[2]) continue;
      const float* from = in + v * x.stride[1] + u * x.stride[2];
      const float* w = floats(weight) + (ky * kw + kx) * channels * outputs + p.c;
      for (int64_t c = 0; c < channels; ++c) sum += from[c] * w[c * outputs];
    }
  }
  const float y = sum > 0.0f ? sum : sum * floats(slope)[p.c];
  floats(out)[p.n * out.stride[0] + p.y * out.stride[1] + p.x * out.stride[2] + p.c] = y;
}

PA_KERNEL void max_pool2d_kernel(Tensor x, Tensor out, int kernel, int stride, int64_t count) {
  const int64_t i = blockIdx.x * static_cast<int64_t>(kThreads) + threadIdx.x;
  if (i >= count) return;
  const Position p = position(out, i);
  const int64_t top = p.y * stride, left = p.x * stride;
  const float* in = floats(x) + p.n * x.stride[0] + p.c;
  float best = in[top * x.stride[1] + left * x.stride[2]];
  for (int64_t v = top; v < top + kernel && v < x.shape[1]; ++v)
    for (int64_t u = left; u < left + kernel && u < x.shape[2]; ++u) {
      const float value = in[v * x.stride[1] + u * x.stride[2]];
      if (!(best > value || best != best)) best = value;  // NaN stays
    }
  floats(out)[p.n * out.stride[0] + p.y * out.stride[1] + p.x * out.stride[2] + p.c] = best;
}

}  // namespace

void conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& slope, const Tensor& out,
            int stride, int pad, const Context& ctx) {
  const int64_t count = out.numel();
  launch(conv2d_kernel, dim3(blocks(count, kThreads)), dim3(kThreads), 0, ctx, x, weight, bias, slope, out, stride, pad,
         count);
}

void max_pool2d(const Tensor& x, const Tensor& out, int kernel, int stride, const Context& ctx) {
  const int64_t count = out.numel();
  launch(max_pool2d_kernel, dim3(blocks(count, kThreads)), dim3(kThreads), 0, ctx, x, out, kernel, stride, count);
}

}  // namespace cuda
}  // namespace pyapdraw
