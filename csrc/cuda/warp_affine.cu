// Affine warp with bilinear sampling. Method: one thread an output pixel. Where the plan asks for a reduced image
// (antialias), a block of 16 x 16 output pixels computes the part of it that it reads once, into shared memory, so that
// no workspace is needed (warp_sample.cuh). Shared memory: that part and its weights, 15 KB. Numerics:
// core/warp_affine_math.h, double without fused multiply-add: equal to the CPU to the bit for u8 without reduction
// (single precision decides where it can); taps of a reduced u8 image are rounded to u8 as there.
// Limits: 2^31 - 1 blocks of 32 columns.
#include "cuda/kernels.h"
#include "cuda/launch.cuh"
#include "cuda/warp_sample.cuh"

namespace pyapdraw {
namespace cuda {
namespace {

constexpr int kColumns = 32, kRows = 8;

// Strong: the image is reduced, and each tap is computed by itself.
template <typename T, bool Strong>
PA_KERNEL void __launch_bounds__(kColumns* kRows)
    warp_affine_kernel(Tensor image, Tensor out, WarpPlan plan, int64_t channels) {
  const int64_t x = static_cast<int64_t>(blockIdx.x) * kColumns + threadIdx.x;
  if (x >= out.shape[1]) return;
  for (int64_t y = static_cast<int64_t>(blockIdx.y) * kRows + threadIdx.y; y < out.shape[0];
       y += static_cast<int64_t>(gridDim.y) * kRows) {
    const Sample s = locate(plan, x, y);
    T* to = out.as<T>() + y * out.stride[0] + x * out.stride[1];
    for (int64_t c = 0; c < channels; ++c) {
      const T* plane = image.as<T>() + c * image.stride[2];
      const auto value = [&](int64_t u, int64_t v, float (&to)[1]) {
        to[0] = static_cast<float>(plane[v * image.stride[0] + u * image.stride[1]]);
      };
      const auto tap = [&](int64_t u, int64_t v) {
        float one[1];
        if (Strong)
          reduced_pixel<T>(plan, u, v, image.shape[1], image.shape[0], value, one);
        else
          value(u, v, one);
        return static_cast<double>(one[0]);
      };
      put_interpolated(plan, s, tap, to + c * out.stride[2]);
    }
  }
}

template <typename T>
PA_KERNEL void __launch_bounds__(kTileThreads)
    warp_affine_box_kernel(Tensor image, Tensor out, WarpPlan plan, int64_t channels) {
  __shared__ ReducedBox<T, 1> box;
  const int64_t left = static_cast<int64_t>(blockIdx.x) * kTile, x = left + threadIdx.x;
  const int thread = threadIdx.y * kTile + threadIdx.x;
  for (int64_t top = static_cast<int64_t>(blockIdx.y) * kTile; top < out.shape[0];
       top += static_cast<int64_t>(gridDim.y) * kTile) {
    const int64_t y = top + threadIdx.y;
    const bool inside = x < out.shape[1] && y < out.shape[0];
    const Sample s = locate(plan, x, y);
    box.prepare(plan, left, top, image.shape[1], image.shape[0], thread);
    for (int64_t c = 0; c < channels; ++c) {
      const T* plane = image.as<T>() + c * image.stride[2];
      const auto value = [&](int64_t u, int64_t v, float (&to)[1]) {
        to[0] = static_cast<float>(plane[v * image.stride[0] + u * image.stride[1]]);
      };
      box.fill(value, thread);
      const auto tap = [&](int64_t u, int64_t v) { return box.at(0, u, v); };
      if (inside)
        put_interpolated(plan, s, tap, out.as<T>() + y * out.stride[0] + x * out.stride[1] + c * out.stride[2]);
      __syncthreads();  // the next channel overwrites
    }
  }
}

template <typename T>
void run(const Tensor& image, const Tensor& out, const WarpPlan& plan, const Context& ctx) {
  const int64_t channels = image.ndim == 3 ? image.shape[2] : 1, width = out.shape[1], height = out.shape[0];
  const Reduction how = reduction(plan, image.shape[1], image.shape[0]);
  if (how == Reduction::box) {
    const dim3 grid(blocks(width, kTile), blocks(height, kTile, 65535)), block(kTile, kTile);
    launch(warp_affine_box_kernel<T>, grid, block, 0, ctx, image, out, plan, channels);
    return;
  }
  const dim3 grid(blocks(width, kColumns), blocks(height, kRows, 65535)), block(kColumns, kRows);
  if (how == Reduction::strong)
    launch(warp_affine_kernel<T, true>, grid, block, 0, ctx, image, out, plan, channels);
  else
    launch(warp_affine_kernel<T, false>, grid, block, 0, ctx, image, out, plan, channels);
}

}  // namespace

void warp_affine(const Tensor& image, const Tensor& out, const WarpPlan& plan, const Context& ctx) {
  if (out.numel() == 0) return;
  if (image.dtype == DType::u8)
    run<uint8_t>(image, out, plan, ctx);
  else
    run<float>(image, out, plan, ctx);
}

}  // namespace cuda
}  // namespace pyapdraw
