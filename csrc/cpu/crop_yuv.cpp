// An aligned crop straight from the planes of a video frame: yuv_to_rgb, warp_affine and rgb_to_nchw in one call.
// Method: only the rectangle of the frame that the warp reads is converted; the warp then runs as if the whole frame
// were there, so that the result is that of the three operations to the bit.
// Limits: beside the output, the rectangle and the crop are kept as bytes, 3 a pixel: more than the eighth of the input
// that other operations keep to.
#include <cstdint>

#include "core/resize_math.h"
#include "cpu/kernels.h"
#include "cpu/scratch.h"
#include "cpu/warp_span.h"

namespace pyapdraw {
namespace PA_ISA {
namespace {

// What the warp reads along one axis of n pixels, of which it samples a reduction to `reduced`. Whole chroma pixels.
Span needed(const double* m, Size size, int64_t n, int64_t reduced, bool halved) {
  Span s = touched(m, size, reduced);
  if (reduced != n) s = {tap_range(s.begin, n, reduced).begin, tap_range(s.end - 1, n, reduced).end};
  if (halved) s = {s.begin & ~int64_t{1}, (s.end + 1) & ~int64_t{1}};
  return {s.begin, s.end < n ? s.end : n};
}

Tensor window(Tensor t, Span down, Span across) {
  t.data = static_cast<char*>(t.data) + (down.begin * t.stride[0] + across.begin * t.stride[1]) * item_bytes(t.dtype);
  t.shape[0] = down.end - down.begin;
  t.shape[1] = across.end - across.begin;
  return t;
}

Span chroma_of(Span s, bool halved) { return halved ? Span{s.begin / 2, (s.end + 1) / 2} : s; }

Tensor pixels(uint8_t* data, int64_t h, int64_t w, int64_t pitch) {
  Tensor t{};
  t.data = data;
  t.dtype = DType::u8;
  t.ndim = 3;
  t.shape[0] = h, t.shape[1] = w, t.shape[2] = 3;
  t.stride[0] = pitch, t.stride[1] = 3, t.stride[2] = 1;
  return t;
}

}  // namespace

void crop_yuv(const Tensor& y, const Tensor& u, const Tensor& v, const Tensor& out, const YuvFormat& format,
              const WarpPlan& plan, const Context& ctx) {
  const int64_t height = y.shape[0], width = y.shape[1];
  const Size size{out.shape[2], out.shape[1]};
  const bool half_rows = u.shape[0] != height, half_columns = u.shape[1] != width;
  const Span across = needed(plan.m, size, width, plan.reduced_w, half_columns);
  const Span down = needed(plan.m + 3, size, height, plan.reduced_h, half_rows);
  const int64_t pitch = 3 * (across.end - across.begin), bytes = pitch * (down.end - down.begin);
  const int64_t room = (bytes + 127) / 64 * 64;  // wide loads may pass the end
  const Scratch<uint8_t, Origin::kept> memory(room + 3 * size.w * size.h + 64);
  uint8_t* part = memory.get();
  const Span chroma_down = chroma_of(down, half_rows), chroma_across = chroma_of(across, half_columns);
  PA_ISA::yuv_to_rgb(window(y, down, across), window(u, chroma_down, chroma_across),
                     window(v, chroma_down, chroma_across),
                     pixels(part, down.end - down.begin, across.end - across.begin, pitch), format, ctx);
  // The frame of which only this part is there: where its first pixel would be.
  const auto first = reinterpret_cast<uintptr_t>(part) - static_cast<uintptr_t>(down.begin * pitch + 3 * across.begin);
  const Tensor crop = pixels(part + room, size.h, size.w, 3 * size.w);
  PA_ISA::warp_affine(pixels(reinterpret_cast<uint8_t*>(first), height, width, pitch), crop, plan, ctx);
  PA_ISA::rgb_to_nchw(crop, out, ctx);
}

}  // namespace PA_ISA
}  // namespace pyapdraw
