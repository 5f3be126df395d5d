// Y'CbCr planes to R'G'B': u8 interleaved, or f32 planes in [-1,1]. Method: the chroma terms of a
// row (V*r_v, U*g_u + V*g_v, U*b_u) are computed once, repeated to full width, and kept for the
// one or two luma rows that share them; a luma row then costs one multiply-add and three sums a
// pixel. Numerics: core/yuv_math.h. A chunk is one chroma row, so threads share nothing.
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
inline __m512 load16(const uint8_t* p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
inline __m512 load16(const uint16_t* p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))));
}
// round255 of luma + chroma: the narrowing saturates above 255.
inline __m128i round16(__m512 luma, const float* chroma) {
  const __m512 v = _mm512_max_ps(_mm512_add_ps(luma, _mm512_loadu_ps(chroma)), _mm512_setzero_ps());
  return _mm512_cvtusepi32_epi8(_mm512_cvttps_epi32(_mm512_add_ps(v, _mm512_set1_ps(0.5f))));
}
#endif

// Interleaved pixels straight from registers, 16 at a time; returns how many were written.
template <typename T>
int64_t luma_to_pixels(const T* y, const ChromaRow& c, const YuvToRgb& m, int64_t w, uint8_t* rgb) {
  int64_t i = 0;
#if defined(__AVX512BW__)
  const __m512 gain = _mm512_set1_ps(m.luma_gain), zero = _mm512_set1_ps(m.luma_zero);
  for (; i + 16 <= w; i += 16) {
    const __m512 l = _mm512_fmadd_ps(load16(y + i), gain, zero);
    store16(round16(l, c.r + i), round16(l, c.g + i), round16(l, c.b + i), rgb + 3 * i);
  }
#else
  (void)y, (void)c, (void)m, (void)w, (void)rgb;
#endif
  return i;
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
  explicit Work(int64_t w) : chroma(3 * (w + 16)), floats(w), luma(w), u(w), v(w), bytes(3 * (w + 64)), pitch(w + 16) {}
};

template <typename T>
void convert_row(const T* y, const ChromaRow& c, const YuvToRgb& m, const Tensor& out, int64_t row, Work<T>& work) {
  if (out.dtype == DType::u8) {
    uint8_t* target = out.as<uint8_t>() + row * out.stride[0];
    const bool packed = out.stride[1] == 3 && out.stride[2] == 1;
    const int64_t done = packed ? luma_to_pixels(y, c, m, out.shape[1], target) : 0, w = out.shape[1] - done;
    uint8_t *r = work.bytes.get(), *g = r + w, *b = g + w;
    luma_to_bytes(y + done, {c.r + done, c.g + done, c.b + done}, m, w, r, g, b);
    join_row(r, g, b, target + done * out.stride[1], out.stride[1], out.stride[2], w);
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

template <typename T>
void run(const Tensor& y, const Tensor& u, const Tensor& v, const Tensor& out, const YuvFormat& format,
         const Context& ctx) {
  const YuvToRgb m = yuv_to_rgb_coefficients(format);
  const int64_t h = y.shape[0], w = y.shape[1], ch = u.shape[0], cw = u.shape[1];
  const int64_t rows = ch == h ? 1 : 2;
  parallel_for(ch, 16, ctx, [&](int64_t begin, int64_t end) {
    Work<T> work(w);
    const ChromaRow c{work.chroma.get(), work.chroma.get() + work.pitch, work.chroma.get() + 2 * work.pitch};
    for (int64_t k = begin; k < end; ++k) {
      const T* pu = packed_row(u.as<T>() + k * u.stride[0], u.stride[1], cw, work.u.get());
      const T* pv = packed_row(v.as<T>() + k * v.stride[0], v.stride[1], cw, work.v.get());
      chroma_terms(pu, pv, m, cw, cw != w, c);
      for (int64_t row = k * rows; row < h && row < (k + 1) * rows; ++row)
        convert_row(packed_row(y.as<T>() + row * y.stride[0], y.stride[1], w, work.luma.get()), c, m, out, row, work);
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
