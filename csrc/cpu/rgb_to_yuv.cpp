// R'G'B' or grey to Y'CbCr planes. Method: rows are split into planar bytes; luma is one dot
// product a pixel; chroma is linear, so the sums of the pixels of a block are formed first
// (2x2, fewer at odd borders) and converted once. A grey image has constant chroma.
// Pairs of packed rows never leave the registers (AVX-512). Numerics: core/yuv_math.h. A chunk is one chroma row.
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

// The left part of two rows of packed pixels with their chroma row, 32 columns at a time, all in registers: the same
// sums in the same order as below. Returns how many columns were done.
int64_t two_rows(const uint8_t* const* rgb, const RgbToYuv& m, uint8_t* const* y, uint8_t* u, uint8_t* v, int64_t w) {
  int64_t x = 0;
#if defined(__AVX512BW__)
  const auto all = [](float f) { return _mm512_set1_ps(f); };
  const __m512 half = all(0.5f), zero = _mm512_setzero_ps(), top = all(255.0f);
  const auto weigh = [](__m512 r, __m512 g, __m512 b, __m512 wr, __m512 wg, __m512 wb) {
    return _mm512_fmadd_ps(b, wb, _mm512_fmadd_ps(r, wr, _mm512_mul_ps(g, wg)));
  };
  const auto put = [](__m512 f, uint8_t* to) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(_mm512_cvttps_epi32(f)));
  };
  alignas(64) static constexpr int32_t kEven[16] = {0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30};
  const __m512i even = _mm512_load_si512(kEven), odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
  const auto pairs = [&](__m512i a, __m512i b) {
    return _mm512_cvtepi32_ps(
        _mm512_add_epi32(_mm512_permutex2var_epi32(a, even, b), _mm512_permutex2var_epi32(a, odd, b)));
  };
  const __m512 yr = all(m.y_r), yg = all(m.y_g), yb = all(m.y_b), y_zero = all(m.y_zero),
               chroma_zero = all(m.chroma_zero);
  const __m512 ur = all(m.u_r * 0.25f), ug = all(m.u_g * 0.25f), ub = all(m.u_b * 0.25f);
  const __m512 vr = all(m.v_r * 0.25f), vg = all(m.v_g * 0.25f), vb = all(m.v_b * 0.25f);
  const auto chroma = [&](__m512 c) {
    c = _mm512_max_ps(_mm512_add_ps(c, chroma_zero), zero);
    return _mm512_add_ps(_mm512_min_ps(c, top), half);
  };
  for (; x + 32 <= w; x += 32) {
    Pixels16 sum[2];
    for (int k = 0; k < 2; ++k) {
      for (int i = 0; i < 2; ++i) {
        const Pixels16 p = split_pixels16(rgb[i] + 3 * (x + 16 * k));
        const __m512 luma =
            weigh(_mm512_cvtepi32_ps(p.r), _mm512_cvtepi32_ps(p.g), _mm512_cvtepi32_ps(p.b), yr, yg, yb);
        put(_mm512_add_ps(_mm512_add_ps(luma, y_zero), half), y[i] + x + 16 * k);
        if (i == 0)
          sum[k] = p;
        else
          sum[k] = {_mm512_add_epi32(sum[k].r, p.r), _mm512_add_epi32(sum[k].g, p.g), _mm512_add_epi32(sum[k].b, p.b)};
      }
    }
    const __m512 r = pairs(sum[0].r, sum[1].r), g = pairs(sum[0].g, sum[1].g), b = pairs(sum[0].b, sum[1].b);
    put(chroma(weigh(r, g, b, ur, ug, ub)), u + x / 2);
    put(chroma(weigh(r, g, b, vr, vg, vb)), v + x / 2);
  }
#else
  (void)rgb, (void)m, (void)y, (void)u, (void)v, (void)w;
#endif
  return x;
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

// The same image without its first x columns.
Tensor from_column(Tensor t, int64_t x) {
  t.data = t.as<uint8_t>() + x * t.stride[1];
  t.shape[1] -= x;
  return t;
}

// How many columns of block row k were done in registers: none where rows are not packed or not two.
int64_t fast_columns(const Tensor& image, const Tensor& y, const Tensor& u, const Tensor& v, const RgbToYuv& m,
                     int64_t k) {
  const bool packed =
      image.stride[1] == 3 && image.stride[2] == 1 && y.stride[1] == 1 && u.stride[1] == 1 && v.stride[1] == 1;
  const bool halved = u.shape[0] != y.shape[0] && u.shape[1] != y.shape[1];
  if (!packed || !halved || 2 * k + 1 >= y.shape[0]) return 0;
  const uint8_t* in = image.as<uint8_t>() + 2 * k * image.stride[0];
  uint8_t* luma = y.as<uint8_t>() + 2 * k * y.stride[0];
  const uint8_t* const rgb[2] = {in, in + image.stride[0]};
  uint8_t* const rows[2] = {luma, luma + y.stride[0]};
  return two_rows(rgb, m, rows, u.as<uint8_t>() + k * u.stride[0], v.as<uint8_t>() + k * v.stride[0], y.shape[1]);
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
    for (int64_t k = begin; k < end; ++k) {
      const int64_t done = fast_columns(image, y, u, v, m, k), halved = u.shape[1] != y.shape[1] ? done / 2 : done;
      if (done == y.shape[1]) continue;
      convert_block_row(from_column(image, done), from_column(y, done), from_column(u, halved), from_column(v, halved),
                        m, k, work);
    }
  });
}

}  // namespace PA_ISA
}  // namespace pyapdraw
