// Alpha composition [H,W,C]. Method: one thread an element; inputs may be broadcast views.
// Shared memory: none. Numerics: core/composite_math.h (u8 exact, f32 one multiply-add).
#include "core/composite_math.h"
#include "cuda/kernels.h"
#include "cuda/launch.cuh"

namespace pyapdraw {
namespace cuda {
namespace {

constexpr int kThreads = 256;

template <typename T>
__device__ T& at(const Tensor& t, int64_t y, int64_t x, int64_t c) {
  return t.as<T>()[y * t.stride[0] + x * t.stride[1] + c * t.stride[2]];
}

PA_KERNEL void composite_kernel(Tensor drawing, Tensor alpha, Tensor background, Tensor out) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= out.shape[0] * out.shape[1] * out.shape[2]) return;
  const int64_t c = i % out.shape[2], x = i / out.shape[2] % out.shape[1], y = i / out.shape[2] / out.shape[1];
  if (out.dtype == DType::u8)
    at<uint8_t>(out, y, x, c) =
        blend_bytes(at<uint8_t>(drawing, y, x, c), at<uint8_t>(alpha, y, x, c), at<uint8_t>(background, y, x, c));
  else
    at<float>(out, y, x, c) =
        blend_floats(at<float>(drawing, y, x, c), at<float>(alpha, y, x, c), at<float>(background, y, x, c));
}

}  // namespace

void composite(const Tensor& drawing, const Tensor& alpha, const Tensor& background, const Tensor& out,
               const Context& ctx) {
  const int64_t n = out.numel();
  if (n == 0) return;
  launch(composite_kernel, dim3(blocks(n, kThreads)), dim3(kThreads), 0, ctx, drawing, alpha, background, out);
}

}  // namespace cuda
}  // namespace pyapdraw
