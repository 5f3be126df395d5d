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

// 2D convolution with bias and PReLU on channel-last arrays: x f32 [N,H,W,C], weight f32 [kh,kw,C,O],
// bias and slope f32 [O] (slope 1: no activation, 0: ReLU), out f32 [N,Ho,Wo,O] with
// Ho = (H + 2 pad - kh) / stride + 1. x and out may be channel slices of larger arrays, also of the same one.
void conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& slope, const Tensor& out,
            int stride = 1, int pad = 0, const Context& ctx = {});

// Maximum over kernel x kernel windows of x f32 [N,H,W,C]. out f32 [N,Ho,Wo,C]; its size chooses whether a last
// window that the border cuts counts (ceil) or not (floor).
void max_pool2d(const Tensor& x, const Tensor& out, int kernel, int stride, const Context& ctx = {});

// Crops of image u8 [H,W,C] by adaptive averaging ("area" resize): boxes i32 [N,4] = x0,y0,x1,y1, half open, inside
// the image -> out f32 [N,h,w,C] = (mean - subtract) * multiply.
void crop_area(const Tensor& image, const Tensor& boxes, const Tensor& out, float subtract = 0, float multiply = 1,
               const Context& ctx = {});

// Crops of image u8 or f32 [H,W,C], C 1 or 3, by affine maps f64 [N,2,3] from crop to image pixel centres, with
// antialiasing bilinear taps -> out f32 [N,h,w,C] = (value - subtract) * multiply. Outside: nearest border pixel.
void crop_warp(const Tensor& image, const Tensor& to_image, const Tensor& out, float subtract = 0, float multiply = 1,
               const Context& ctx = {});

// Greedy non-maximum suppression: boxes f32 [N,4] = x0,y0,x1,y1 in falling order of score -> keep bool [N]. A box is
// dropped when its intersection with a kept one exceeds threshold times their union, or the smaller of the two
// (minimum). Sides are x1 - x0 + side.
void nms(const Tensor& boxes, const Tensor& keep, float threshold, float side = 0, bool minimum = false,
         const Context& ctx = {});

// How many worker threads a call with ctx.threads = 0 uses.
int default_threads();

}  // namespace pyapdraw
