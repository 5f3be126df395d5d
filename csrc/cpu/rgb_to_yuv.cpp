// R'G'B' or grey to Y'CbCr planes. Method: rows are split into planar bytes; luma is one dot
// product a pixel; chroma is linear, so the sums of the pixels of a block are formed first
// (2x2, fewer at odd borders) and converted once. A grey image has constant chroma.
// Numerics: core/yuv_math.h. A chunk is one chroma row.
#include <cstring>

#include "core/yuv_math.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"
#include "cpu/rows.h"
#include "cpu/scratch.h"

namespace pyapdraw {
namespace PA_ISA {
namespace {

struct PlanarRow {
  uint8_t *r, *g, *b;
};

void luma_row(const PlanarRow& p, const RgbToYuv& m, int64_t w, uint8_t* __restrict y) {
  const uint8_t *r = p.r, *g = p.g, *b = p.b;
  for (int64_t i = 0; i < w; ++i) {
    const float v = static_cast<float>(r[i]) * m.y_r + static_cast<float>(g[i]) * m.y_g +
                    static_cast<float>(b[i]) * m.y_b + m.y_zero;
    y[i] = static_cast<uint8_t>(static_cast<int32_t>(v + 0.5f));
  }
}

void grey_row(const uint8_t* __restrict grey, const RgbToYuv& m, int64_t w, uint8_t* __restrict y) {
  const float gain = m.y_r + m.y_g + m.y_b;
  for (int64_t i = 0; i < w; ++i)
    y[i] = static_cast<uint8_t>(static_cast<int32_t>(static_cast<float>(grey[i]) * gain + m.y_zero + 0.5f));
}

// Column sums of the rows of one block row, 16 bit.
void add_rows(const uint8_t* __restrict a, const uint8_t* __restrict b, int64_t w, uint16_t* __restrict sum) {
  for (int64_t i = 0; i < w; ++i) sum[i] = static_cast<uint16_t>(a[i] + b[i]);
}

struct ChromaSums {
  uint16_t *r, *g, *b;
};

// n columns; `halved`: two neighbours a value. scale: 1 / pixels in a block.
void chroma_row(const ChromaSums& s, const RgbToYuv& m, int64_t n, bool halved, float scale, uint8_t* __restrict u,
                uint8_t* __restrict v) {
  const uint16_t* __restrict r = s.r;
  const uint16_t* __restrict g = s.g;
  const uint16_t* __restrict b = s.b;
  const float ur = m.u_r * scale, ug = m.u_g * scale, ub = m.u_b * scale;
  const float vr = m.v_r * scale, vg = m.v_g * scale, vb = m.v_b * scale;
  if (halved) {
    for (int64_t i = 0; i < n; ++i) {
      const float rf = static_cast<float>(r[2 * i] + r[2 * i + 1]), gf = static_cast<float>(g[2 * i] + g[2 * i + 1]);
      const float bf = static_cast<float>(b[2 * i] + b[2 * i + 1]);
      u[i] = round255(rf * ur + gf * ug + bf * ub + m.chroma_zero);
      v[i] = round255(rf * vr + gf * vg + bf * vb + m.chroma_zero);
    }
  } else {
    for (int64_t i = 0; i < n; ++i) {
      const float rf = static_cast<float>(r[i]), gf = static_cast<float>(g[i]), bf = static_cast<float>(b[i]);
      u[i] = round255(rf * ur + gf * ug + bf * ub + m.chroma_zero);
      v[i] = round255(rf * vr + gf * vg + bf * vb + m.chroma_zero);
    }
  }
}

struct Work {
  Scratch<uint8_t> planar, luma, u, v;
  Scratch<uint16_t> sums;
  int64_t w;
  explicit Work(int64_t width)
      : planar(6 * (width + 64)), luma(width), u(width), v(width), sums(3 * (width + 2)), w(width) {}
  PlanarRow row(int i) const {
    uint8_t* p = planar.get() + 3 * i * (w + 64);
    return {p, p + w, p + 2 * w};
  }
};

// Luma of one chroma row's pixels, then its chroma.
void convert_block_row(const Tensor& image, const Tensor& y, const Tensor& u, const Tensor& v, const RgbToYuv& m,
                       int64_t k, Work& work) {
  const int64_t h = y.shape[0], w = y.shape[1], cw = u.shape[1];
  const int64_t rows = u.shape[0] == h ? 1 : 2, first = k * rows;
  const int count = static_cast<int>(first + rows <= h ? rows : h - first);
  for (int i = 0; i < count; ++i) {
    const PlanarRow p = work.row(i);
    split_row(image.as<uint8_t>() + (first + i) * image.stride[0], image.stride[1], image.stride[2], p.r, p.g, p.b, w);
    uint8_t* target = y.as<uint8_t>() + (first + i) * y.stride[0];
    uint8_t* packed = y.stride[1] == 1 ? target : work.luma.get();
    luma_row(p, m, w, packed);
    spread_row(packed, w, target, y.stride[1]);
  }
  // A missing second row or column repeats the first, which leaves the mean as it is.
  const PlanarRow a = work.row(0), b = work.row(count - 1);
  const ChromaSums s{work.sums.get(), work.sums.get() + w + 2, work.sums.get() + 2 * (w + 2)};
  add_rows(a.r, b.r, w, s.r);
  add_rows(a.g, b.g, w, s.g);
  add_rows(a.b, b.b, w, s.b);
  const bool halved = cw != w;
  if (halved && w % 2) {
    s.r[w] = s.r[w - 1];
    s.g[w] = s.g[w - 1];
    s.b[w] = s.b[w - 1];
  }
  chroma_row(s, m, cw, halved, halved ? 0.25f : 0.5f, work.u.get(), work.v.get());
  spread_row(work.u.get(), cw, u.as<uint8_t>() + k * u.stride[0], u.stride[1]);
  spread_row(work.v.get(), cw, v.as<uint8_t>() + k * v.stride[0], v.stride[1]);
}

void fill(const Tensor& plane, uint8_t value, const Context& ctx) {
  parallel_for(plane.shape[0], 64, ctx, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      uint8_t* p = plane.as<uint8_t>() + row * plane.stride[0];
      if (plane.stride[1] == 1)
        std::memset(p, value, static_cast<size_t>(plane.shape[1]));
      else
        for (int64_t i = 0; i < plane.shape[1]; ++i) p[i * plane.stride[1]] = value;
    }
  });
}

void convert_grey(const Tensor& image, const Tensor& y, const RgbToYuv& m, const Context& ctx) {
  const int64_t w = y.shape[1];
  parallel_for(y.shape[0], 32, ctx, [&](int64_t begin, int64_t end) {
    Scratch<uint8_t> in(w), out(w);
    for (int64_t row = begin; row < end; ++row) {
      const uint8_t* grey = packed_row(image.as<uint8_t>() + row * image.stride[0], image.stride[1], w, in.get());
      uint8_t* target = y.as<uint8_t>() + row * y.stride[0];
      uint8_t* packed = y.stride[1] == 1 ? target : out.get();
      grey_row(grey, m, w, packed);
      spread_row(packed, w, target, y.stride[1]);
    }
  });
}

}  // namespace

void rgb_to_yuv(const Tensor& image, const Tensor& y, const Tensor& u, const Tensor& v, const YuvFormat& format,
                const Context& ctx) {
  if (image.numel() == 0) return;
  const RgbToYuv m = rgb_to_yuv_coefficients(format);
  if (image.ndim == 2) {
    convert_grey(image, y, m, ctx);
    fill(u, 128, ctx);
    fill(v, 128, ctx);
    return;
  }
  parallel_for(u.shape[0], 16, ctx, [&](int64_t begin, int64_t end) {
    Work work(y.shape[1]);
    for (int64_t k = begin; k < end; ++k) convert_block_row(image, y, u, v, m, k, work);
  });
}

}  // namespace PA_ISA
}  // namespace pyapdraw
