// Triangle resampling [H,W] or [H,W,C]. Method: one thread an output element, which sums the
// rectangle under its filter directly (no intermediate image, so no workspace). Shared memory:
// none. Numerics: weights in double (core/resize_math.h), accumulation in float32.
// Limits: 2^31 - 1 blocks of 256 elements; the cost grows with the square of the reduction.
#include "cuda/kernels.h"
#include "cuda/launch.cuh"
#include "cuda/triangle.cuh"

namespace pyapdraw {
namespace cuda {
namespace {

constexpr int kThreads = 256;

template <typename T>
PA_KERNEL void resize_kernel(Tensor image, Tensor out, int64_t channels) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= out.shape[0] * out.shape[1] * channels) return;
  const int64_t c = i % channels, x = i / channels % out.shape[1], y = i / channels / out.shape[1];
  const float v =
      triangle_sum<T>(image, c, tap_range(x, image.shape[1], out.shape[1]), tap_range(y, image.shape[0], out.shape[0]));
  store(v, out.as<T>() + y * out.stride[0] + x * out.stride[1] + c * out.stride[2]);
}

}  // namespace

void resize(const Tensor& image, const Tensor& out, const Context& ctx) {
  const int64_t n = out.numel(), channels = image.ndim == 3 ? image.shape[2] : 1;
  if (n == 0) return;
  const dim3 grid(blocks(n, kThreads)), block(kThreads);
  if (image.dtype == DType::u8)
    launch(resize_kernel<uint8_t>, grid, block, 0, ctx, image, out, channels);
  else
    launch(resize_kernel<float>, grid, block, 0, ctx, image, out, channels);
}

}  // namespace cuda
}  // namespace pyapdraw
