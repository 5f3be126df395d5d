// Affine warp with bilinear sampling in double precision, equal to the definition to the bit
// (this file is compiled without fused multiply-add). Method: rows in cpu/warp_rows.h. Reduction before
// sampling (antialias) is resize_region on the part of the image that the output sees.
#include "core/warp_affine_math.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"
#include "cpu/planes.h"
#include "cpu/scratch.h"
#include "cpu/warp_rows.h"

namespace pyapdraw {
namespace PA_ISA {
namespace {

template <typename T, int C>
void warp(const WarpPlan& p, const Sampled<T>& in, const Plane<T>& out, Size size, const Context& ctx) {
  const bool blocks = may_block<T, C>(p, in, out.step);
  parallel_for(size.h, 16, ctx, [&](int64_t begin, int64_t end) {
    for (int64_t y = begin; y < end; ++y)
      warp_row<T, C>(p, in, y, {0, size.w}, blocks, out.data + y * out.row, out.step);
  });
}

template <typename T>
void run(const Tensor& image, const Tensor& out, const WarpPlan& plan, Span across, Span down, const Context& ctx) {
  const Size size{out.shape[1], out.shape[0]};
  for_each_plane<T>(image, out, [&](const Plane<T>& in, const Plane<T>& to, auto channels) {
    warp<T, decltype(channels)::value>(plan, Sampled<T>{in, across.begin, down.begin}, to, size, ctx);
  });
}

// A tensor of the same channels and layout (interleaved or planar) over `data`.
Tensor like(const Tensor& image, void* data, int64_t h, int64_t w) {
  Tensor t = image;
  t.data = data;
  t.shape[0] = h;
  t.shape[1] = w;
  const int64_t c = channels_of(image);
  const bool packed = packed_pixels(image);
  t.stride[0] = packed ? w * c : w;
  t.stride[1] = packed ? c : 1;
  t.stride[2] = packed ? 1 : w * h;
  return t;
}

}  // namespace

void warp_affine(const Tensor& image, const Tensor& out, const WarpPlan& plan, const Context& ctx) {
  if (out.numel() == 0) return;
  const bool reduced = plan.reduced_w != image.shape[1] || plan.reduced_h != image.shape[0];
  if (!reduced) {
    if (image.dtype == DType::u8)
      run<uint8_t>(image, out, plan, {0, 0}, {0, 0}, ctx);
    else
      run<float>(image, out, plan, {0, 0}, {0, 0}, ctx);
    return;
  }
  const Size size{out.shape[1], out.shape[0]};
  const Span across = touched(plan.m, size, plan.reduced_w), down = touched(plan.m + 3, size, plan.reduced_h);
  const Region region{across.begin, down.begin, across.end - across.begin, down.end - down.begin};
  Scratch<uint8_t> memory(region.w * region.h * channels_of(image) * item_bytes(image.dtype) +
                          64);  // wide loads may pass the end
  const Tensor small = like(image, memory.get(), region.h, region.w);
  resize_region(image, {plan.reduced_w, plan.reduced_h}, region, small, ctx);
  if (image.dtype == DType::u8)
    run<uint8_t>(small, out, plan, across, down, ctx);
  else
    run<float>(small, out, plan, across, down, ctx);
}

}  // namespace PA_ISA
}  // namespace pyapdraw
