// R'G'B' or grey to Y'CbCr planes. Method: one thread a chroma sample, which writes the one to four
// luma samples of its block and the chroma of their mean. Shared memory: none. Numerics:
// core/yuv_math.h, float32. Limits: 2^31 - 1 blocks of 256 chroma samples.
#include "core/yuv_math.h"
#include "cuda/kernels.h"
#include "cuda/launch.cuh"

namespace pyapdraw {
namespace cuda {
namespace {

constexpr int kThreads = 256;

PA_KERNEL void rgb_to_yuv_kernel(Tensor image, Tensor y, Tensor u, Tensor v, RgbToYuv m) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= u.shape[0] * u.shape[1]) return;
  const int64_t cy = i / u.shape[1], cx = i % u.shape[1];
  const int64_t high = u.shape[0] == y.shape[0] ? 1 : 2, wide = u.shape[1] == y.shape[1] ? 1 : 2;
  const bool grey = image.ndim == 2;
  float sum[3] = {0.0f, 0.0f, 0.0f}, count = 0.0f;
  for (int64_t row = cy * high; row < (cy + 1) * high && row < y.shape[0]; ++row)
    for (int64_t x = cx * wide; x < (cx + 1) * wide && x < y.shape[1]; ++x) {
      const uint8_t* pixel = image.as<uint8_t>() + row * image.stride[0] + x * image.stride[1];
      float rgb[3];
      for (int c = 0; c < 3; ++c) {
        rgb[c] = static_cast<float>(pixel[grey ? 0 : c * image.stride[2]]);
        sum[c] += rgb[c];
      }
      count += 1.0f;
      y.as<uint8_t>()[row * y.stride[0] + x * y.stride[1]] =
          round255(rgb[0] * m.y_r + rgb[1] * m.y_g + rgb[2] * m.y_b + m.y_zero);
    }
  const float s = 1.0f / count;
  const float cu = grey ? 0.0f : (sum[0] * m.u_r + sum[1] * m.u_g + sum[2] * m.u_b) * s;
  const float cv = grey ? 0.0f : (sum[0] * m.v_r + sum[1] * m.v_g + sum[2] * m.v_b) * s;
  u.as<uint8_t>()[cy * u.stride[0] + cx * u.stride[1]] = round255(cu + m.chroma_zero);
  v.as<uint8_t>()[cy * v.stride[0] + cx * v.stride[1]] = round255(cv + m.chroma_zero);
}

}  // namespace

void rgb_to_yuv(const Tensor& image, const Tensor& y, const Tensor& u, const Tensor& v, const YuvFormat& format,
                const Context& ctx) {
  const int64_t samples = u.numel();
  if (samples == 0) return;
  launch(rgb_to_yuv_kernel, dim3(blocks(samples, kThreads)), dim3(kThreads), 0, ctx, image, y, u, v,
         rgb_to_yuv_coefficients(format));
}

}  // namespace cuda
}  // namespace pyapdraw
