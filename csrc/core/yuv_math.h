#pragma once
// Y'CbCr <-> R'G'B' arithmetic that the CPU and CUDA kernels of yuv_to_rgb and rgb_to_yuv share.
// The matrices follow from (Kr, Kb) of ITU-R BT.601-7, BT.709-6 and BT.2020-2; code values from
// the quantisation clauses of the same documents (n bits: limited luma 16..235, chroma 16..240,
// both times 2^(n-8), chroma zero at 2^(n-1)). Everything is single precision on a 0..255 scale:
// the error before the final rounding is below 1e-3, so results are within one step of exact.
#include "core/math.h"
#include "pyapdraw/ops.h"

namespace pyapdraw {

struct YuvToRgb {
  float luma_gain, luma_zero;  // y' = Y * luma_gain + luma_zero
  float chroma_zero;           // subtracted from U and V
  float r_v, g_u, g_v, b_u;
};

struct RgbToYuv {
  float y_r, y_g, y_b, y_zero;
  float u_r, u_g, u_b, v_r, v_g, v_b, chroma_zero;
};

struct LumaWeights {
  double r, b;
};

static inline LumaWeights luma_weights(YuvMatrix m) {
  switch (m) {
    case YuvMatrix::bt709: return {0.2126, 0.0722};
    case YuvMatrix::bt2020: return {0.2627, 0.0593};
    case YuvMatrix::bt601: break;
  }
  return {0.299, 0.114};
}

// The quantisation of an n-bit signal: code = value * range + zero.
struct YuvRange {
  double y_zero, y_range, c_zero, c_range;
};

static inline YuvRange yuv_range(const YuvFormat& f) {
  const double unit = static_cast<double>(1 << (f.bits - 8));
  const double top = 256.0 * unit - 1.0;
  if (f.full_range) return {0.0, top, 128.0 * unit, top};
  return {16.0 * unit, 219.0 * unit, 128.0 * unit, 224.0 * unit};
}

static inline YuvToRgb yuv_to_rgb_coefficients(const YuvFormat& f) {
  const LumaWeights k = luma_weights(f.matrix);
  const YuvRange q = yuv_range(f);
  const double g = 1.0 - k.r - k.b, y = 255.0 / q.y_range, c = 255.0 / q.c_range;
  YuvToRgb m;
  m.luma_gain = static_cast<float>(y);
  m.luma_zero = static_cast<float>(-q.y_zero * y);
  m.chroma_zero = static_cast<float>(q.c_zero);
  m.r_v = static_cast<float>(2.0 * (1.0 - k.r) * c);
  m.b_u = static_cast<float>(2.0 * (1.0 - k.b) * c);
  m.g_v = static_cast<float>(-2.0 * (1.0 - k.r) * k.r / g * c);
  m.g_u = static_cast<float>(-2.0 * (1.0 - k.b) * k.b / g * c);
  return m;
}

static inline RgbToYuv rgb_to_yuv_coefficients(const YuvFormat& f) {
  const LumaWeights k = luma_weights(f.matrix);
  const YuvRange q = yuv_range(f);
  const double g = 1.0 - k.r - k.b, y = q.y_range / 255.0, c = q.c_range / 255.0;
  const double u = c / (2.0 * (1.0 - k.b)), v = c / (2.0 * (1.0 - k.r));
  RgbToYuv m;
  m.y_r = static_cast<float>(k.r * y);
  m.y_g = static_cast<float>(g * y);
  m.y_b = static_cast<float>(k.b * y);
  m.y_zero = static_cast<float>(q.y_zero);
  m.u_r = static_cast<float>(-k.r * u);
  m.u_g = static_cast<float>(-g * u);
  m.u_b = static_cast<float>((1.0 - k.b) * u);
  m.v_r = static_cast<float>((1.0 - k.r) * v);
  m.v_g = static_cast<float>(-g * v);
  m.v_b = static_cast<float>(-k.b * v);
  m.chroma_zero = static_cast<float>(q.c_zero);
  return m;
}

// On a GPU what may be fused is fused by hand, and the rest is kept apart, so that a conversion gives the same bits
// whichever kernel it stands in.
#if defined(__CUDA_ARCH__)
PA_HD float mul_add(float a, float b, float c) { return __fmaf_rn(a, b, c); }
PA_HD float mul_alone(float a, float b) { return __fmul_rn(a, b); }
PA_HD float add_alone(float a, float b) { return __fadd_rn(a, b); }
#else
PA_HD float mul_add(float a, float b, float c) { return a * b + c; }
PA_HD float mul_alone(float a, float b) { return a * b; }
PA_HD float add_alone(float a, float b) { return a + b; }
#endif

struct Rgb {
  float r, g, b;
};

// One pixel on the scale of 0..255, not clamped.
PA_HD Rgb yuv_pixel(const YuvToRgb& m, float y, float u, float v) {
  const float luma = mul_add(y, m.luma_gain, m.luma_zero), uf = u - m.chroma_zero, vf = v - m.chroma_zero;
  return {add_alone(luma, mul_alone(vf, m.r_v)), add_alone(luma, mul_add(uf, m.g_u, mul_alone(vf, m.g_v))),
          add_alone(luma, mul_alone(uf, m.b_u))};
}

PA_HD float weigh(const Rgb& p, float r, float g, float b) {
  return mul_add(p.b, b, mul_add(p.r, r, mul_alone(p.g, g)));
}

// Clamp to 0..255; NaN becomes 0 because the comparison is then false.
PA_HD float clamp255(float v) {
  v = v > 0.0f ? v : 0.0f;
  return v < 255.0f ? v : 255.0f;
}

PA_HD uint8_t round255(float v) { return static_cast<uint8_t>(static_cast<int32_t>(clamp255(v) + 0.5f)); }

// 0..255 <-> [-1,1], the range of images inside models.
PA_HD float to_signed(float v) { return (v - 127.5f) * (2.0f / 255.0f); }
PA_HD float from_signed(float v) { return v * 127.5f + 127.5f; }

// Codes of one pixel's luma and of a chroma pixel: sum over its pixels, and 1 / how many.
PA_HD uint8_t luma_byte(const RgbToYuv& m, const Rgb& p) {
  return round255(add_alone(weigh(p, m.y_r, m.y_g, m.y_b), m.y_zero));
}
PA_HD uint8_t u_byte(const RgbToYuv& m, const Rgb& sum, float share) {
  return round255(add_alone(mul_alone(weigh(sum, m.u_r, m.u_g, m.u_b), share), m.chroma_zero));
}
PA_HD uint8_t v_byte(const RgbToYuv& m, const Rgb& sum, float share) {
  return round255(add_alone(mul_alone(weigh(sum, m.v_r, m.v_g, m.v_b), share), m.chroma_zero));
}

}  // namespace pyapdraw
