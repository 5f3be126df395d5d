// f32 planes in [-1,1] to u8 interleaved pixels (rounded, saturated, NaN to 0).
// Method: one thread a pixel. Shared memory: none. Numerics: core/yuv_math.h, float32.
#include "core/yuv_math.h"
#include "cuda/kernels.h"
#include "cuda/launch.cuh"

namespace pyapdraw {
namespace cuda {
namespace {

constexpr int kThreads = 256;

PA_KERNEL void nchw_to_rgb_kernel(Tensor image, Tensor out) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const int64_t width = image.shape[2], channels = image.shape[0];
  if (i >= image.shape[1] * width) return;
  const int64_t row = i / width, x = i % width;
  for (int64_t c = 0; c < channels; ++c) {
    const float value = image.as<float>()[c * image.stride[0] + row * image.stride[1] + x * image.stride[2]];
    out.as<uint8_t>()[row * out.stride[0] + x * out.stride[1] + c * out.stride[2]] = round255(from_signed(value));
  }
}

}  // namespace

void nchw_to_rgb(const Tensor& image, const Tensor& out, const Context& ctx) {
  if (image.numel() == 0) return;
  const int64_t channels = image.shape[0];
  launch(nchw_to_rgb_kernel, dim3(blocks(image.numel() / channels, kThreads)), dim3(kThreads), 0, ctx, image, out);
}

}  // namespace cuda
}  // namespace pyapdraw
