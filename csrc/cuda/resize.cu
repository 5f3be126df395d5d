// Triangle resampling [H,W] or [H,W,C]. Method: a block is a tile of 32 x 8 output pixels, whose weights along both
// axes are computed once, into shared memory; a thread sums the rectangle of source pixels under the triangle of its
// pixel directly, channel by channel (no intermediate image, so no workspace). Where a pixel has more than 64 taps
// along an axis, every thread computes its own weights. Shared memory: 11 KB of weights. Numerics: weights in double
// (core/resize_math.h), accumulation in float32. Limits: the cost grows with the square of the reduction.
#include "cuda/kernels.h"
#include "cuda/launch.cuh"
#include "cuda/triangle.cuh"

namespace pyapdraw {
namespace cuda {
namespace {

constexpr int kColumns = 32, kRows = 8, kMost = 64;

// One pixel of one channel.
template <typename T, typename Across, typename Down>
__device__ void resize_pixel(const Tensor& image, int64_t c, const Across& across, const Down& down, T* out) {
  const T* plane = image.as<T>() + c * image.stride[2];
  const auto value = [&](int64_t x, int64_t y, float (&v)[1]) {
    v[0] = static_cast<float>(plane[y * image.stride[0] + x * image.stride[1]]);
  };
  float sum[1];
  triangle_sums<1>(across, down, value, sum);
  store(sum[0], out);
}

template <typename T, bool Table>
PA_KERNEL void __launch_bounds__(kColumns* kRows) resize_kernel(Tensor image, Tensor out, int64_t channels) {
  __shared__ TapTable<kColumns, kMost> across;
  __shared__ TapTable<kRows, kMost> down;
  const int64_t left = static_cast<int64_t>(blockIdx.x) * kColumns, width = out.shape[1], height = out.shape[0];
  const int thread = threadIdx.y * kColumns + threadIdx.x;
  const int64_t x = left + threadIdx.x;
  if (Table) {
    const int columns = static_cast<int>(width - left < kColumns ? width - left : kColumns);
    across.fill(left, columns, image.shape[1], width, thread, kColumns * kRows);
  }
  for (int64_t top = static_cast<int64_t>(blockIdx.y) * kRows; top < height;
       top += static_cast<int64_t>(gridDim.y) * kRows) {
    const int64_t y = top + threadIdx.y;
    if (Table) {
      const int rows = static_cast<int>(height - top < kRows ? height - top : kRows);
      down.fill(top, rows, image.shape[0], height, thread, kColumns * kRows);
      __syncthreads();
    }
    T* to = out.as<T>() + y * out.stride[0] + x * out.stride[1];
    for (int64_t c = 0; c < channels && x < width && y < height; ++c, to += out.stride[2]) {
      if (Table)
        resize_pixel<T>(image, c, across.row(threadIdx.x), down.row(threadIdx.y), to);
      else
        resize_pixel<T>(image, c, Taps{tap_range(x, image.shape[1], width)}, Taps{tap_range(y, image.shape[0], height)},
                        to);
    }
    if (Table) __syncthreads();  // the next rows overwrite
  }
}

template <typename T>
void run(const Tensor& image, const Tensor& out, int64_t channels, const Context& ctx) {
  const bool table =
      most_taps(image.shape[1], out.shape[1]) <= kMost && most_taps(image.shape[0], out.shape[0]) <= kMost;
  const dim3 grid(blocks(out.shape[1], kColumns), blocks(out.shape[0], kRows, 65535)), block(kColumns, kRows);
  if (table)
    launch(resize_kernel<T, true>, grid, block, 0, ctx, image, out, channels);
  else
    launch(resize_kernel<T, false>, grid, block, 0, ctx, image, out, channels);
}

}  // namespace

void resize(const Tensor& image, const Tensor& out, const Context& ctx) {
  if (out.numel() == 0) return;
  const int64_t channels = image.ndim == 3 ? image.shape[2] : 1;
  if (image.dtype == DType::u8)
    run<uint8_t>(image, out, channels, ctx);
  else
    run<float>(image, out, channels, ctx);
}

}  // namespace cuda
}  // namespace pyapdraw
