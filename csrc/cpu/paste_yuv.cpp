// A drawing faded into the planes of a video frame: warp_affine of drawing and opacity, rgb_to_yuv and composite, a
// chroma row at a time, in place. Only the pixels that the crop reaches are read or written; nothing of the frame's
// size is kept. Grey drawings share their coordinates with the opacity. Numerics: bytes after the warp, after the
// conversion and after the blend, each as in the operation of that name; opacity of a chroma pixel is the mean of its
// pixels', rounded half up. Limits: where the crop is larger than its place in the frame, both images are reduced
// first, into memory of their reduced size. This file is compiled without fused multiply-add, as warp_affine is.
#include <cstring>

#include "core/composite_math.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"
#include "cpu/warp_rows.h"

namespace pyapdraw {
namespace PA_ISA {
namespace {

bool is_packed(const Tensor& t) {
  const int64_t c = channels_of(t);
  return t.stride[0] == t.shape[1] * c && t.stride[1] == c && (c == 1 || t.stride[2] == 1);
}

bool is_reduced(const Tensor& t, const WarpPlan& p) { return p.reduced_h != t.shape[0] || p.reduced_w != t.shape[1]; }

// Packed bytes of one image, reduced where the plan says so; the image itself where that is what it is.
struct Packed {
  Scratch<uint8_t> memory;
  Tensor image;
  Packed(const Tensor& given, const WarpPlan& p, const Context& ctx)
      : memory(is_packed(given) && !is_reduced(given, p) ? 0 : p.reduced_w * p.reduced_h * channels_of(given) + 64),
        image(given) {
    if (is_packed(given) && !is_reduced(given, p)) return;
    const int64_t c = channels_of(given), h = p.reduced_h, w = p.reduced_w;
    image.data = memory.get();
    image.shape[0] = h, image.shape[1] = w;
    image.stride[0] = w * c, image.stride[1] = c, image.stride[2] = 1;
    if (is_reduced(given, p)) {
      resize_region(given, {w, h}, {0, 0, w, h}, image, ctx);
    } else {
      for (int64_t y = 0; y < h; ++y)
        for (int64_t k = 0; k < c; ++k) {
          const uint8_t* from = given.as<uint8_t>() + y * given.stride[0] + (c > 1 ? k * given.stride[2] : 0);
          uint8_t* to = memory.get() + y * w * c + k;
          if (c == 1 && given.stride[1] == 1)
            std::memcpy(to, from, static_cast<size_t>(w));
          else
            for (int64_t x = 0; x < w; ++x) to[x * c] = from[x * given.stride[1]];
        }
    }
  }
};

Tensor bytes(uint8_t* data, int64_t h, int64_t w, int64_t channels) {
  Tensor t{};
  t.data = data;
  t.dtype = DType::u8;
  t.ndim = channels == 3 ? 3 : 2;
  t.shape[0] = h, t.shape[1] = w, t.shape[2] = channels;
  t.stride[0] = w * channels, t.stride[1] = channels, t.stride[2] = 1;
  return t;
}

void blend_row(const uint8_t* drawing, const uint8_t* alpha, int64_t n, uint8_t* plane, int64_t step) {
  if (step == 1)
    for (int64_t x = 0; x < n; ++x) plane[x] = blend_bytes(drawing[x], alpha[x], plane[x]);
  else
    for (int64_t x = 0; x < n; ++x) plane[x * step] = blend_bytes(drawing[x], alpha[x], plane[x * step]);
}

// Opacity of n chroma pixels: means of blocks, of which those beyond the last row or column are not there.
void mean_row(const uint8_t* const* alpha, int rows, int64_t columns, bool halved, uint8_t* __restrict out) {
  const uint8_t *a = alpha[0], *b = alpha[rows - 1];
  if (!halved) {
    for (int64_t x = 0; x < columns; ++x) out[x] = static_cast<uint8_t>((a[x] + b[x] + 1) >> 1);
    return;
  }
  const int64_t pairs = columns / 2;
  for (int64_t x = 0; x < pairs; ++x)
    out[x] = static_cast<uint8_t>((a[2 * x] + a[2 * x + 1] + b[2 * x] + b[2 * x + 1] + 2) >> 2);
  if (columns % 2) out[pairs] = static_cast<uint8_t>((a[columns - 1] + b[columns - 1] + 1) >> 1);
}

struct Pasting {
  const WarpPlan paper, none;  // beyond the crop: white, and opacity 0
  const Sampled<uint8_t> drawing, alpha;
  bool grey;
};

// Drawing and opacity of one frame row; pixel x stands at x - columns.begin.
void sample_row(const Pasting& p, int64_t y, Span columns, uint8_t* drawing, uint8_t* alpha) {
  const int64_t begin = columns.begin;
  const bool blocks = may_block<uint8_t, 1>(p.none, p.alpha, 1);
  Span both = inside(p.none, y, columns.end, spare_columns<1>());
  both.begin = both.begin < begin ? begin : both.begin;
  if (!p.grey || !blocks || both.begin >= both.end) {
    warp_row<uint8_t, 1>(p.none, p.alpha, y, columns, blocks, alpha - begin, 1);
    if (p.grey)
      warp_row<uint8_t, 1>(p.paper, p.drawing, y, columns, blocks, drawing - begin, 1);
    else
      warp_row<uint8_t, 3>(p.paper, p.drawing, y, columns, blocks, drawing - 3 * begin, 3);
    return;
  }
  const Sampled<uint8_t> images[2] = {p.drawing, p.alpha};
  uint8_t* const rows[2] = {drawing - begin, alpha - begin};
  const WarpPlan* const plans[2] = {&p.paper, &p.none};
  fast_pair(p.none, images, y, both, rows);
  for (int k = 0; k < 2; ++k) {
    warp_row<uint8_t, 1>(*plans[k], images[k], y, {begin, both.begin}, false, rows[k], 1);
    warp_row<uint8_t, 1>(*plans[k], images[k], y, {both.end, columns.end}, false, rows[k], 1);
  }
}

// Columns that rows [first, last) of the frame have in common with the crop, whole chroma pixels.
Span reached(const WarpPlan& p, int64_t first, int64_t last, int64_t width, bool halved) {
  Span all{width, 0};
  for (int64_t y = first; y < last; ++y) {
    const Span s = touching(p, y, width);
    if (s.begin >= s.end) continue;
    all.begin = s.begin < all.begin ? s.begin : all.begin;
    all.end = s.end > all.end ? s.end : all.end;
  }
  if (!halved || all.begin >= all.end) return all;
  const int64_t end = (all.end + 1) & ~int64_t{1};
  return {all.begin & ~int64_t{1}, end < width ? end : width};
}

struct Rows {
  Scratch<uint8_t> drawing, alpha, luma, chroma, opacity;
  Rows(int64_t w, int64_t channels)
      : drawing(2 * w * channels + 64), alpha(2 * w + 64), luma(2 * w), chroma(2 * w), opacity(w) {}
};

// Chroma row k with its one or two luma rows.
void paste_row(const Pasting& p, const YuvFormat& format, const Tensor* planes, int64_t k, Rows& rows) {
  const Tensor &y = planes[0], &u = planes[1];
  const int64_t tall = u.shape[0] != y.shape[0] ? 2 : 1, first = k * tall, channels = p.grey ? 1 : 3;
  const int64_t last = first + tall < y.shape[0] ? first + tall : y.shape[0], count = last - first;
  const bool halved = u.shape[1] != y.shape[1];
  const Span columns = reached(p.none, first, last, y.shape[1], halved);
  const int64_t n = columns.end - columns.begin, m = halved ? (n + 1) / 2 : n;
  if (n <= 0) return;
  const uint8_t* opacity[2] = {};
  for (int64_t i = 0; i < count; ++i) {
    uint8_t* alpha = rows.alpha.get() + i * n;
    sample_row(p, first + i, columns, rows.drawing.get() + i * n * channels, alpha);
    opacity[i] = alpha;
  }
  const Context here{1};
  const int64_t chroma_rows = 1;
  const Tensor own[3] = {bytes(rows.luma.get(), count, n, 1), bytes(rows.chroma.get(), chroma_rows, m, 1),
                         bytes(rows.chroma.get() + m, chroma_rows, m, 1)};
  PA_ISA::rgb_to_yuv(bytes(rows.drawing.get(), count, n, channels), own[0], own[1], own[2], format, here);
  for (int64_t i = 0; i < count; ++i)
    blend_row(own[0].as<uint8_t>() + i * n, opacity[i], n,
              y.as<uint8_t>() + (first + i) * y.stride[0] + columns.begin * y.stride[1], y.stride[1]);
  mean_row(opacity, static_cast<int>(count), n, halved, rows.opacity.get());
  const int64_t at = halved ? columns.begin / 2 : columns.begin;
  for (int c = 1; c < 3; ++c) {
    const Tensor& plane = planes[c];
    blend_row(own[c].as<uint8_t>(), rows.opacity.get(), m,
              plane.as<uint8_t>() + k * plane.stride[0] + at * plane.stride[1], plane.stride[1]);
  }
}

}  // namespace

void paste_yuv(const Tensor& drawing, const Tensor& alpha, const WarpPlan& plan, const YuvFormat& format,
               const Tensor& y, const Tensor& u, const Tensor& v, const Context& ctx) {
  const Packed pixels(drawing, plan, ctx), opacity(alpha, plan, ctx);
  WarpPlan paper = plan;
  paper.border_value = 255.0;
  const Pasting p{paper,
                  plan,
                  {plane_of<uint8_t>(pixels.image, 0), 0, 0},
                  {plane_of<uint8_t>(opacity.image, 0), 0, 0},
                  drawing.ndim == 2};
  const Tensor planes[3] = {y, u, v};
  parallel_for(u.shape[0], 16, ctx, [&](int64_t begin, int64_t end) {
    Rows rows(y.shape[1], p.grey ? 1 : 3);
    for (int64_t k = begin; k < end; ++k) paste_row(p, format, planes, k, rows);
  });
}

}  // namespace PA_ISA
}  // namespace pyapdraw
