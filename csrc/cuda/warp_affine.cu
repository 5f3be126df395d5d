// Affine warp with bilinear sampling. Method: one thread an output pixel; where the plan asks for
// a reduced image (antialias), each of the four taps is computed from its source rectangle, so
// that no workspace is needed. Shared memory: none. Numerics: core/warp_affine_math.h, double
// without fused multiply-add: equal to the CPU to the bit for u8 without reduction; taps of a
// reduced u8 image are rounded to u8 as there. Limits: 2^31 - 1 blocks of 128 pixels.
#include "core/warp_affine_math.h"
#include "cuda/kernels.h"
#include "cuda/launch.cuh"
#include "cuda/triangle.cuh"

namespace pyapdraw {
namespace cuda {
namespace {

constexpr int kThreads = 128;

template <typename T>
PA_KERNEL void warp_affine_kernel(Tensor image, Tensor out, WarpPlan plan, int64_t channels) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= out.shape[0] * out.shape[1]) return;
  const int64_t x = i % out.shape[1], y = i / out.shape[1];
  const Sample s = locate(plan, x, y);
  const bool reduced = plan.reduced_w != image.shape[1] || plan.reduced_h != image.shape[0];
  for (int64_t c = 0; c < channels; ++c) {
    const auto tap = [&](int64_t u, int64_t v) {
      if (!reduced)
        return static_cast<double>(image.as<T>()[v * image.stride[0] + u * image.stride[1] + c * image.stride[2]]);
      T value;
      store(triangle_sum<T>(image, c, tap_range(u, image.shape[1], plan.reduced_w),
                            tap_range(v, image.shape[0], plan.reduced_h)),
            &value);
      return static_cast<double>(value);
    };
    put_sample(interpolate(plan, s, tap), out.as<T>() + y * out.stride[0] + x * out.stride[1] + c * out.stride[2]);
  }
}

}  // namespace

void warp_affine(const Tensor& image, const Tensor& out, const WarpPlan& plan, const Context& ctx) {
  if (out.numel() == 0) return;
  const int64_t channels = image.ndim == 3 ? image.shape[2] : 1;
  const dim3 grid(blocks(out.shape[0] * out.shape[1], kThreads)), block(kThreads);
  if (image.dtype == DType::u8)
    launch(warp_affine_kernel<uint8_t>, grid, block, 0, ctx, image, out, plan, channels);
  else
    launch(warp_affine_kernel<float>, grid, block, 0, ctx, image, out, plan, channels);
}

}  // namespace cuda
}  // namespace pyapdraw
