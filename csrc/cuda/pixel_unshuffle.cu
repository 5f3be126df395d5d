// Blocks of 2 x 2 pixels side by side as channels: the definition of csrc/cpu/pixel_unshuffle.cpp.
// Method: a thread a block of one plane, which writes 16 bytes where they are aligned. Neighbouring threads read
// neighbouring pixels. Shared memory: none.
#include "cuda/kernels.h"
#include "cuda/launch.cuh"

namespace pyapdraw {
namespace cuda {

namespace {

constexpr int kThreads = 256;

PA_KERNEL __launch_bounds__(kThreads) void pixel_unshuffle_kernel(Tensor x, Tensor out, bool aligned) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const int64_t width = out.shape[1], height = out.shape[0];
  if (index >= x.shape[0] * height * width) return;
  const int64_t u = index % width, v = index / width % height, k = index / width / height;
  const float* upper = x.as<float>() + k * x.stride[0] + 2 * v * x.stride[1] + 2 * u * x.stride[2];
  const float* lower = upper + x.stride[1];
  const float4 four = make_float4(upper[0], upper[x.stride[2]], lower[0], lower[x.stride[2]]);
  float* to = out.as<float>() + v * out.stride[0] + u * out.stride[1] + 4 * k;
  if (aligned)
    *reinterpret_cast<float4*>(to) = four;
  else
    to[0] = four.x, to[1] = four.y, to[2] = four.z, to[3] = four.w;
}

}  // namespace

void pixel_unshuffle(const Tensor& x, const Tensor& out, const Context& ctx) {
  const bool aligned =
      (reinterpret_cast<uintptr_t>(out.data) | static_cast<uint64_t>(out.stride[0] | out.stride[1]) * 4) % 16 == 0;
  launch(pixel_unshuffle_kernel, dim3(blocks(out.numel() / 4, kThreads)), dim3(kThreads), 0, ctx, x, out, aligned);
}

}  // namespace cuda
}  // namespace pyapdraw
