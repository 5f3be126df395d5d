// Blocks of 2 x 2 pixels side by side as channels: the definition of csrc/cpu/pixel_unshuffle.cpp.
// Method: a thread a block of one plane, which writes 16 bytes where they are aligned. Neighbouring threads read
// neighbouring pixels. Shared memory: none. Numerics: one multiplication and one addition in float32.
#include "cuda/kernels.h"
#include "cuda/launch.cuh"

namespace pyapdraw {
namespace cuda {

namespace {

constexpr int kThreads = 256;

template <typename T>
PA_KERNEL __launch_bounds__(kThreads) void pixel_unshuffle_kernel(Tensor x, Tensor out, float scale, float offset,
                                                                  bool aligned) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const int64_t width = out.shape[1], height = out.shape[0];
  if (index >= x.shape[0] * height * width) return;
  const int64_t u = index % width, v = index / width % height, k = index / width / height;
  const T* upper = x.as<T>() + k * x.stride[0] + 2 * v * x.stride[1] + 2 * u * x.stride[2];
  const T* lower = upper + x.stride[1];
  const float4 four = make_float4(
      static_cast<float>(upper[0]) * scale + offset, static_cast<float>(upper[x.stride[2]]) * scale + offset,
      static_cast<float>(lower[0]) * scale + offset, static_cast<float>(lower[x.stride[2]]) * scale + offset);
  float* to = out.as<float>() + v * out.stride[0] + u * out.stride[1] + 4 * k;
  if (aligned)
    *reinterpret_cast<float4*>(to) = four;
  else
    to[0] = four.x, to[1] = four.y, to[2] = four.z, to[3] = four.w;
}

}  // namespace

void pixel_unshuffle(const Tensor& x, const Tensor& out, float scale, float offset, const Context& ctx) {
  const bool aligned =
      (reinterpret_cast<uintptr_t>(out.data) | static_cast<uint64_t>(out.stride[0] | out.stride[1]) * 4) % 16 == 0;
  const dim3 grid(blocks(out.numel() / 4, kThreads)), threads(kThreads);
  launch(x.dtype == DType::f32 ? pixel_unshuffle_kernel<float> : pixel_unshuffle_kernel<uint8_t>, grid, threads, 0, ctx,
         x, out, scale, offset, aligned);
}

}  // namespace cuda
}  // namespace pyapdraw
