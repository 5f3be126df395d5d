// Y'CbCr planes to R'G'B': u8 [H,W,3], or f32 [3,H,W] in [-1,1]. Method: one thread a pixel; the
// chroma loads of neighbours fall into the same cache lines. Shared memory: none. Numerics:
// core/yuv_math.h, float32. Limits: 2^31 - 1 blocks of 256 pixels.
#include "core/yuv_math.h"
#include "cuda/kernels.h"
#include "cuda/launch.cuh"

namespace pyapdraw {
namespace cuda {
namespace {

constexpr int kThreads = 256;

template <typename T>
PA_KERNEL void yuv_to_rgb_kernel(Tensor y, Tensor u, Tensor v, Tensor out, YuvToRgb m) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= y.shape[0] * y.shape[1]) return;
  const int64_t row = i / y.shape[1], x = i % y.shape[1];
  const int64_t crow = u.shape[0] == y.shape[0] ? row : row / 2, cx = u.shape[1] == y.shape[1] ? x : x / 2;
  const float luma = static_cast<float>(y.as<T>()[row * y.stride[0] + x * y.stride[1]]) * m.luma_gain + m.luma_zero;
  const float uf = static_cast<float>(u.as<T>()[crow * u.stride[0] + cx * u.stride[1]]) - m.chroma_zero;
  const float vf = static_cast<float>(v.as<T>()[crow * v.stride[0] + cx * v.stride[1]]) - m.chroma_zero;
  const float rgb[3] = {luma + vf * m.r_v, luma + (uf * m.g_u + vf * m.g_v), luma + uf * m.b_u};
  for (int c = 0; c < 3; ++c) {
    if (out.dtype == DType::u8)
      out.as<uint8_t>()[row * out.stride[0] + x * out.stride[1] + c * out.stride[2]] = round255(rgb[c]);
    else
      out.as<float>()[c * out.stride[0] + row * out.stride[1] + x * out.stride[2]] = to_signed(clamp255(rgb[c]));
  }
}

}  // namespace

void yuv_to_rgb(const Tensor& y, const Tensor& u, const Tensor& v, const Tensor& out, const YuvFormat& format,
                const Context& ctx) {
  const int64_t pixels = y.numel();
  if (pixels == 0) return;
  const YuvToRgb m = yuv_to_rgb_coefficients(format);
  const dim3 grid(blocks(pixels, kThreads)), block(kThreads);
  if (y.dtype == DType::u8)
    launch(yuv_to_rgb_kernel<uint8_t>, grid, block, 0, ctx, y, u, v, out, m);
  else
    launch(yuv_to_rgb_kernel<uint16_t>, grid, block, 0, ctx, y, u, v, out, m);
}

}  // namespace cuda
}  // namespace pyapdraw
