// Y'CbCr planes to R'G'B': u8 interleaved, or f32 planes in [-1,1]. Method: the chroma terms of a
// row (V*r_v, U*g_u + V*g_v, U*b_u) are computed once, repeated to full width, and kept for the
// one or two luma rows that share them; a luma row then costs one multiply-add and three sums a
// pixel. Packed pixels of halved chroma never leave the registers (AVX-512). Numerics: core/yuv_math.h. A chunk is one
// chroma row, so threads share nothing.
#include "core/yuv_math.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"
#include "cpu/rows.h"
#include "cpu/scratch.h"

namespace pyapdraw {
namespace PA_ISA {
namespace {

struct ChromaRow {
  float *r, *g, *b;  // one value a luma pixel
};

template <typename T>
void chroma_terms(const T* __restrict u, const T* __restrict v, const YuvToRgb& m, int64_t n, bool halved,
                  ChromaRow out) {
  float* __restrict r = out.r;
  float* __restrict g = out.g;
  float* __restrict b = out.b;
  if (halved) {
    for (int64_t i = 0; i < n; ++i) {
      const float uf = static_cast<float>(u[i]) - m.chroma_zero, vf = static_cast<float>(v[i]) - m.chroma_zero;
      r[2 * i] = r[2 * i + 1] = vf * m.r_v;
      g[2 * i] = g[2 * i + 1] = uf * m.g_u + vf * m.g_v;
      b[2 * i] = b[2 * i + 1] = uf * m.b_u;
    }
  } else {
    for (int64_t i = 0; i < n; ++i) {
      const float uf = static_cast<float>(u[i]) - m.chroma_zero, vf = static_cast<float>(v[i]) - m.chroma_zero;
      r[i] = vf * m.r_v;
      g[i] = uf * m.g_u + vf * m.g_v;
      b[i] = uf * m.b_u;
    }
  }
}

template <typename T>
void luma_to_bytes(const T* __restrict y, const ChromaRow& c, const YuvToRgb& m, int64_t w, uint8_t* __restrict r,
                   uint8_t* __restrict g, uint8_t* __restrict b) {
  const float *cr = c.r, *cg = c.g, *cb = c.b;
  for (int64_t i = 0; i < w; ++i) {
    const float l = static_cast<float>(y[i]) * m.luma_gain + m.luma_zero;
    r[i] = round255(l + cr[i]);
    g[i] = round255(l + cg[i]);
    b[i] = round255(l + cb[i]);
  }
}

#if defined(__AVX512BW__)
inline __m512 luma16(const uint8_t* p) { return load16_as_float(p); }
inline __m512 luma16(const uint16_t* p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))));
}
// 8 values, each twice.
inline __m512 doubled16(const uint8_t* p) {
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_unpacklo_epi8(bytes, bytes)));
}
inline __m512 doubled16(const uint16_t* p) {
  const __m128i words = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  const __m256i both = _mm256_set_m128i(_mm_unpackhi_epi16(words, words), _mm_unpacklo_epi16(words, words));
  return _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(both));
}
// round255 of luma + chroma.
inline __m512i round16(__m512 luma, __m512 chroma) {
  const __m512 v = _mm512_max_ps(_mm512_add_ps(luma, chroma), _mm512_setzero_ps());
  return _mm512_cvttps_epi32(_mm512_add_ps(_mm512_min_ps(v, _mm512_set1_ps(255.0f)), _mm512_set1_ps(0.5f)));
}
#endif

// The left part of the rows (one or two) of a chroma row of half width, 16 pixels at a time, all in registers.
// Returns how many pixels a row were written.
template <typename T>
int64_t halved_to_pixels(const T* const* y, const T* u, const T* v, const YuvToRgb& m, int64_t w, uint8_t* const* rgb,
                         int rows) {
  int64_t x = 0;
#if defined(__AVX512BW__)
  const auto all = [](float f) { return _mm512_set1_ps(f); };
  const __m512 gain = all(m.luma_gain), zero = all(m.luma_zero), chroma_zero = all(m.chroma_zero);
  const __m512 r_v = all(m.r_v), g_u = all(m.g_u), g_v = all(m.g_v), b_u = all(m.b_u);
  for (; x + 16 <= w; x += 16) {
    const __m512 uf = _mm512_sub_ps(doubled16(u + x / 2), chroma_zero);
    const __m512 vf = _mm512_sub_ps(doubled16(v + x / 2), chroma_zero);
    const __m512 r = _mm512_mul_ps(vf, r_v), b = _mm512_mul_ps(uf, b_u);
    const __m512 g = _mm512_fmadd_ps(uf, g_u, _mm512_mul_ps(vf, g_v));
    for (int i = 0; i < rows; ++i) {
      const __m512 l = _mm512_fmadd_ps(luma16(y[i] + x), gain, zero);
      join_pixels16({round16(l, r), round16(l, g), round16(l, b)}, rgb[i] + 3 * x);
    }
  }
#else
  (void)y, (void)u, (void)v, (void)m, (void)w, (void)rgb, (void)rows;
#endif
  return x;
}

template <typename T>
void luma_to_signed(const T* __restrict y, const float* __restrict chroma, const YuvToRgb& m, int64_t w,
                    float* __restrict out) {
  for (int64_t i = 0; i < w; ++i) {
    const float l = static_cast<float>(y[i]) * m.luma_gain + m.luma_zero;
    out[i] = to_signed(clamp255(l + chroma[i]));
  }
}

template <typename T>
struct Work {
  Scratch<float> chroma, floats;
  Scratch<T> luma, u, v;
  Scratch<uint8_t> bytes;
  int64_t pitch;
  explicit Work(int64_t w)
      : chroma(3 * (w + 16)), floats(w), luma(2 * w), u(w), v(w), bytes(3 * (w + 64)), pitch(w + 16) {}
};

template <typename T>
void convert_row(const T* y, const ChromaRow& c, const YuvToRgb& m, const Tensor& out, int64_t row, Work<T>& work) {
  if (out.dtype == DType::u8) {
    uint8_t* target = out.as<uint8_t>() + row * out.stride[0];
    const int64_t w = out.shape[1];
    uint8_t *r = work.bytes.get(), *g = r + w, *b = g + w;
    luma_to_bytes(y, c, m, w, r, g, b);
    join_row(r, g, b, target, out.stride[1], out.stride[2], w);
    return;
  }
  const int64_t w = out.shape[2];
  const float* terms[3] = {c.r, c.g, c.b};
  for (int k = 0; k < 3; ++k) {
    float* target = out.as<float>() + k * out.stride[0] + row * out.stride[1];
    float* packed = out.stride[2] == 1 ? target : work.floats.get();
    luma_to_signed(y, terms[k], m, w, packed);
    spread_row(packed, w, target, out.stride[2]);
  }
}

// out without its first x columns.
Tensor from_column(Tensor out, int64_t x) {
  const bool bytes = out.dtype == DType::u8;
  const int axis = bytes ? 1 : 2;
  out.data = static_cast<char*>(out.data) + x * out.stride[axis] * (bytes ? 1 : 4);
  out.shape[axis] -= x;
  return out;
}

template <typename T>
void run(const Tensor& y, const Tensor& u, const Tensor& v, const Tensor& out, const YuvFormat& format,
         const Context& ctx) {
  const YuvToRgb m = yuv_to_rgb_coefficients(format);
  const int64_t h = y.shape[0], w = y.shape[1], ch = u.shape[0], cw = u.shape[1];
  const int rows = ch == h ? 1 : 2;
  const bool fast = out.dtype == DType::u8 && out.stride[1] == 3 && out.stride[2] == 1 && cw != w;
  parallel_for(ch, 16, ctx, [&](int64_t begin, int64_t end) {
    Work<T> work(w);
    const ChromaRow c{work.chroma.get(), work.chroma.get() + work.pitch, work.chroma.get() + 2 * work.pitch};
    for (int64_t k = begin; k < end; ++k) {
      const int count = static_cast<int>(h - k * rows < rows ? h - k * rows : rows);
      const T* pu = packed_row(u.as<T>() + k * u.stride[0], u.stride[1], cw, work.u.get());
      const T* pv = packed_row(v.as<T>() + k * v.stride[0], v.stride[1], cw, work.v.get());
      const T* py[2] = {};
      uint8_t* pixels[2] = {};
      for (int i = 0; i < count; ++i) {
        const int64_t row = k * rows + i;
        py[i] = packed_row(y.as<T>() + row * y.stride[0], y.stride[1], w, work.luma.get() + i * w);
        if (fast) pixels[i] = out.as<uint8_t>() + row * out.stride[0];
      }
      const int64_t done = fast ? halved_to_pixels(py, pu, pv, m, w, pixels, count) : 0;
      if (done == w) continue;
      const int64_t chroma = cw != w ? done / 2 : done;
      chroma_terms(pu + chroma, pv + chroma, m, cw - chroma, cw != w, c);
      for (int i = 0; i < count; ++i) convert_row(py[i] + done, c, m, from_column(out, done), k * rows + i, work);
    }
  });
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

}  // namespace PA_ISA
}  // namespace pyapdraw
