// An aligned crop straight from the planes of a video frame: yuv_to_rgb, warp_affine and rgb_to_nchw in one launch.
// Method: one thread a pixel of the crop; it converts the four frame pixels that its taps are, so that nothing else of
// the frame is read. Where the plan asks for a reduced frame, a block of 16 x 16 pixels computes the part of it that it
// reads once, from pixels converted on the way, into shared memory (warp_sample.cuh): no workspace. Shared memory: that
// part and its weights, 13 KB, where reduced. Numerics: bytes after the conversion, after the reduction and after the
// warp, as in the three operations: the same bits as one after the other.
#include "core/yuv_math.h"
#include "cuda/kernels.h"
#include "cuda/launch.cuh"
#include "cuda/warp_sample.cuh"

namespace pyapdraw {
namespace cuda {
namespace {

// A frame of which pixels are converted as they are asked for.
template <typename T>
struct Frame {
  Tensor y, u, v;
  YuvToRgb m;
  int down, across;  // chroma coordinates: 1 where halved

  // Bytes of a pixel.
  __device__ void pixel(int64_t column, int64_t row, float (&rgb)[3]) const {
    const int64_t cx = column >> across, cy = row >> down;
    const Rgb p = yuv_pixel(m, static_cast<float>(y.as<T>()[row * y.stride[0] + column * y.stride[1]]),
                            static_cast<float>(u.as<T>()[cy * u.stride[0] + cx * u.stride[1]]),
                            static_cast<float>(v.as<T>()[cy * v.stride[0] + cx * v.stride[1]]));
    rgb[0] = static_cast<float>(round255(p.r));
    rgb[1] = static_cast<float>(round255(p.g));
    rgb[2] = static_cast<float>(round255(p.b));
  }
};

// Pixel (x, y) of the crop; tap(u, v, rgb) gives the bytes of a pixel of the sampled image.
template <typename F>
__device__ void put_pixel(const WarpPlan& plan, const Tensor& out, int64_t x, int64_t y, const F& tap) {
  const Sample s = locate(plan, x, y);
  float taps[4][3];
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    const int64_t u = s.x + (k & 1), v = s.y + (k >> 1);
    const bool inside = u >= 0 && u < plan.reduced_w && v >= 0 && v < plan.reduced_h;
    if (inside || plan.border == Border::edge)
      tap(nearest_index(u, plan.reduced_w), nearest_index(v, plan.reduced_h), taps[k]);
    else
      for (int c = 0; c < 3; ++c) taps[k][c] = -1.0f;  // border
  }
#pragma unroll
  for (int c = 0; c < 3; ++c) {
    const auto value = [&](int k) { return taps[k][c] < 0.0f ? plan.border_value : static_cast<double>(taps[k][c]); };
    uint8_t byte;
    put_lerp(value(0), value(1), value(2), value(3), s.fx, s.fy, &byte);
    out.as<float>()[c * out.stride[0] + y * out.stride[1] + x * out.stride[2]] = to_signed(static_cast<float>(byte));
  }
}

template <typename T, bool Strong>
PA_KERNEL void __launch_bounds__(kTileThreads) crop_yuv_kernel(Frame<T> frame, Tensor out, WarpPlan plan) {
  const int64_t x = static_cast<int64_t>(blockIdx.x) * kTile + threadIdx.x, w = frame.y.shape[1], h = frame.y.shape[0];
  if (x >= out.shape[2]) return;
  const auto value = [&](int64_t u, int64_t v, float (&rgb)[3]) { frame.pixel(u, v, rgb); };
  for (int64_t y = static_cast<int64_t>(blockIdx.y) * kTile + threadIdx.y; y < out.shape[1];
       y += static_cast<int64_t>(gridDim.y) * kTile)
    put_pixel(plan, out, x, y, [&](int64_t u, int64_t v, float (&rgb)[3]) {
      if (Strong)
        reduced_pixel<uint8_t>(plan, u, v, w, h, value, rgb);
      else
        value(u, v, rgb);
    });
}

template <typename T>
PA_KERNEL void __launch_bounds__(kTileThreads) crop_yuv_box_kernel(Frame<T> frame, Tensor out, WarpPlan plan) {
  __shared__ ReducedBox<uint8_t, 3> box;
  const int64_t left = static_cast<int64_t>(blockIdx.x) * kTile, x = left + threadIdx.x;
  const int thread = threadIdx.y * kTile + threadIdx.x;
  for (int64_t top = static_cast<int64_t>(blockIdx.y) * kTile; top < out.shape[1];
       top += static_cast<int64_t>(gridDim.y) * kTile) {
    const int64_t y = top + threadIdx.y;
    box.prepare(plan, left, top, frame.y.shape[1], frame.y.shape[0], thread);
    box.fill([&](int64_t u, int64_t v, float (&rgb)[3]) { frame.pixel(u, v, rgb); }, thread);
    if (x < out.shape[2] && y < out.shape[1])
      put_pixel(plan, out, x, y, [&](int64_t u, int64_t v, float (&rgb)[3]) {
        for (int c = 0; c < 3; ++c) rgb[c] = static_cast<float>(box.at(c, u, v));
      });
  }
}

template <typename T>
void run(const Tensor& y, const Tensor& u, const Tensor& v, const Tensor& out, const YuvFormat& format,
         const WarpPlan& plan, const Context& ctx) {
  const int64_t width = y.shape[1], height = y.shape[0];
  const Frame<T> frame{y, u, v, yuv_to_rgb_coefficients(format), u.shape[0] != height, u.shape[1] != width};
  const dim3 grid(blocks(out.shape[2], kTile), blocks(out.shape[1], kTile, 65535)), block(kTile, kTile);
  switch (reduction(plan, width, height)) {
    case Reduction::none: return launch(crop_yuv_kernel<T, false>, grid, block, 0, ctx, frame, out, plan);
    case Reduction::box: return launch(crop_yuv_box_kernel<T>, grid, block, 0, ctx, frame, out, plan);
    case Reduction::strong: return launch(crop_yuv_kernel<T, true>, grid, block, 0, ctx, frame, out, plan);
  }
}

}  // namespace

void crop_yuv(const Tensor& y, const Tensor& u, const Tensor& v, const Tensor& out, const YuvFormat& format,
              const WarpPlan& plan, const Context& ctx) {
  if (y.dtype == DType::u8)
    run<uint8_t>(y, u, v, out, format, plan, ctx);
  else
    run<uint16_t>(y, u, v, out, format, plan, ctx);
}

}  // namespace cuda
}  // namespace pyapdraw
