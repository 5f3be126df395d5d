// u8 interleaved pixels to f32 planes in [-1,1].
// Method: one thread a pixel. Shared memory: none. Numerics: core/yuv_math.h, float32.
#include "core/yuv_math.h"
#include "cuda/kernels.h"
#include "cuda/launch.cuh"

namespace pyapdraw {
namespace cuda {
namespace {

constexpr int kThreads = 256;

PA_KERNEL void rgb_to_nchw_kernel(Tensor image, Tensor out) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const int64_t width = image.shape[1], channels = image.shape[2];
  if (i >= image.shape[0] * width) return;
  const int64_t row = i / width, x = i % width;
  for (int64_t c = 0; c < channels; ++c) {
    const float value =
        static_cast<float>(image.as<uint8_t>()[row * image.stride[0] + x * image.stride[1] + c * image.stride[2]]);
    out.as<float>()[c * out.stride[0] + row * out.stride[1] + x * out.stride[2]] = to_signed(value);
  }
}

}  // namespace

void rgb_to_nchw(const Tensor& image, const Tensor& out, const Context& ctx) {
  if (image.numel() == 0) return;
  const int64_t channels = image.shape[2];
  launch(rgb_to_nchw_kernel, dim3(blocks(image.numel() / channels, kThreads)), dim3(kThreads), 0, ctx, image, out);
}

}  // namespace cuda
}  // namespace pyapdraw
