#pragma once
// The whole C++ API: every operation checks its arguments once, then runs on the backend of
// its tensors. The caller allocates outputs; nothing here allocates device memory or waits.
// Errors: BadInput (wrong argument), Unsupported (no kernel on this backend), DeviceError.
#include "pyapdraw/error.h"
#include "pyapdraw/tensor.h"
#include "pyapdraw/version.h"

namespace pyapdraw {

// Exact Euclidean distance in px from every pixel to the nearest site (nonzero pixel).
// sites bool/u8 [...,H,W] -> distance f32 [...,H,W]; squared: without the root. An image
// without any site gives +inf.
void distance_transform(const Tensor& sites, const Tensor& distance, bool squared = false, const Context& ctx = {});

// What lies outside a photo, and how a warp samples it.
enum class Filter : int32_t { bilinear, antialias };
enum class Border : int32_t { constant, edge };

// Samples image [H,W] or [H,W,C] (u8 or f32, C <= 4 where interleaved) through an affine map.
// matrix f64 [2,3] on the CPU maps image to output coordinates (x right, y down, pixel centres at
// integers); out [h,w] or [h,w,C], same dtype. bilinear: four taps in double precision, u8 rounded
// half up; a tap outside the image counts as border_value, or as the nearest pixel (edge).
// antialias: the image is first reduced by `resize` to the scale of the output, then as above;
// equal to bilinear wherever the map does not shrink.
void warp_affine(const Tensor& image, const Tensor& matrix, const Tensor& out, Filter filter = Filter::bilinear,
                 Border border = Border::constant, double border_value = 255.0, const Context& ctx = {});

// Separable resampling with a triangle of width 2*max(1, scale) source pixels, renormalised at
// the borders: bilinear when enlarging, antialiased when reducing.
// image [H,W] or [H,W,C], u8 or f32 -> out [h,w] or [h,w,C], same dtype.
void resize(const Tensor& image, const Tensor& out, const Context& ctx = {});

enum class YuvMatrix : int32_t { bt601, bt709, bt2020 };
struct YuvFormat {
  YuvMatrix matrix = YuvMatrix::bt601;
  bool full_range = false;  // false: luma 16..235, chroma 16..240 (times 2^(bits-8))
  int bits = 8;             // 8 for u8 planes; 9 to 16 for u16 planes, value in the low bits
};

// Y'CbCr planes -> R'G'B'. y [H,W]; u, v [H or ceil(H/2), W or ceil(W/2)], any strides (NV12: two
// views of one plane); chroma is repeated, not interpolated.
// out: u8 [H,W,3] in 0..255, or f32 [3,H,W] in [-1,1].
void yuv_to_rgb(const Tensor& y, const Tensor& u, const Tensor& v, const Tensor& out, const YuvFormat& format,
                const Context& ctx = {});

// R'G'B' or grey -> Y'CbCr planes: image u8 [H,W,3] or [H,W], planes u8 as above; the chroma of a
// block is that of the mean of its pixels (those inside the image, at odd borders).
void rgb_to_yuv(const Tensor& image, const Tensor& y, const Tensor& u, const Tensor& v, const YuvFormat& format,
                const Context& ctx = {});

// image u8 [H,W,C] in 0..255 -> out f32 [C,H,W] in [-1,1].
void rgb_to_nchw(const Tensor& image, const Tensor& out, const Context& ctx = {});

// image f32 [C,H,W] -> out u8 [H,W,C]: [-1,1] to 0..255, rounded and saturated, NaN to 0.
void nchw_to_rgb(const Tensor& image, const Tensor& out, const Context& ctx = {});

// out = background + (drawing - background) * alpha. u8: alpha in 0..255, rounded to nearest;
// f32: alpha in [0,1]. All [H,W,C] of one dtype, inputs may be broadcast views (stride 0);
// out may be background itself, or else shares memory with no input.
void composite(const Tensor& drawing, const Tensor& alpha, const Tensor& background, const Tensor& out,
               const Context& ctx = {});

// How many worker threads a call with ctx.threads = 0 uses.
int default_threads();

}  // namespace pyapdraw
