// Y'CbCr planes to R'G'B': u8 [H,W,3], or f32 [3,H,W] in [-1,1]. Method: one thread four pixels of a row where luma and
// output are packed (one load of luma; three 4-byte or 16-byte stores), else one pixel; the chroma loads of neighbours
// fall into the same cache lines. Shared memory: none. Numerics: core/yuv_math.h, float32.
#include "core/yuv_math.h"
#include "cuda/kernels.h"
#include "cuda/pixels.cuh"

namespace pyapdraw {
namespace cuda {
namespace {

// down, across: chroma coordinates are halved.
template <typename T, int N>
PA_KERNEL void __launch_bounds__(kImageThreads)
    yuv_to_rgb_kernel(Tensor y, Tensor u, Tensor v, Tensor out, YuvToRgb m, int down, int across) {
  const int64_t x = first_column<N>(), width = y.shape[1];
  if (x >= width) return;
  const int count = columns_left<N>(x, width);
  for (int64_t row = first_row(); row < y.shape[0]; row += row_step()) {
    T luma[N] = {};
    load_row(y.as<T>() + row * y.stride[0], y.stride[1], x, count, luma);
    const T* u_row = u.as<T>() + (row >> down) * u.stride[0];
    const T* v_row = v.as<T>() + (row >> down) * v.stride[0];
    float rgb[3][N];
    for (int k = 0; k < N; ++k) {
      const int64_t cx = (k < count ? x + k : x) >> across;
      const Rgb p = yuv_pixel(m, static_cast<float>(luma[k]), static_cast<float>(u_row[cx * u.stride[1]]),
                              static_cast<float>(v_row[cx * v.stride[1]]));
      rgb[0][k] = p.r, rgb[1][k] = p.g, rgb[2][k] = p.b;
    }
    if (out.dtype == DType::u8) {
      uint8_t pixels[3 * N];
      for (int k = 0; k < N; ++k)
        for (int c = 0; c < 3; ++c) pixels[3 * k + c] = round255(rgb[c][k]);
      store_pixels<N>(out, row, x, count, pixels);
      continue;
    }
    for (int c = 0; c < 3; ++c) {
      for (int k = 0; k < N; ++k) rgb[c][k] = to_signed(clamp255(rgb[c][k]));
      store_row(out.as<float>() + c * out.stride[0] + row * out.stride[1], out.stride[2], x, count, rgb[c]);
    }
  }
}

template <typename T>
void run(const Tensor& y, const Tensor& u, const Tensor& v, const Tensor& out, const YuvFormat& format,
         const Context& ctx) {
  const bool quads = packed_along(y, 1, 4 * static_cast<int64_t>(sizeof(T))) &&
                     (out.dtype == DType::u8 ? words(out) : packed_along(out, 2, 16));
  const int down = u.shape[0] != y.shape[0], across = u.shape[1] != y.shape[1];
  launch(quads ? yuv_to_rgb_kernel<T, 4> : yuv_to_rgb_kernel<T, 1>, image_grid(y.shape[0], y.shape[1], quads ? 4 : 1),
         image_block(), 0, ctx, y, u, v, out, yuv_to_rgb_coefficients(format), down, across);
}

}  // namespace

void yuv_to_rgb(const Tensor& y, const Tensor& u, const Tensor& v, const Tensor& out, const YuvFormat& format,
                const Context& ctx) {
  if (y.numel() == 0) return;
  if (y.dtype == DType::u8)
    run<uint8_t>(y, u, v, out, format, ctx);
  else
    run<uint16_t>(y, u, v, out, format, ctx);
}

}  // namespace cuda
}  // namespace pyapdraw
