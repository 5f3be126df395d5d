#pragma once
// Coordinates and interpolation of warp_affine, shared by CPU and CUDA. Everything is double and
// without fused multiply-add, so that every backend and the numpy definition agree to the bit:
//   s = (m0*x + m1*y) + m2,  v = (1-fy)*((1-fx)*p00 + fx*p01) + fy*((1-fx)*p10 + fx*p11),
// or the border's value where all four lie outside.
#include <cmath>
#include <cstdint>

#include "core/math.h"
#include "pyapdraw/ops.h"

namespace pyapdraw {

// What a kernel needs: the map from output pixels to the sampled image, which is the given image
// (reduced_* equal to its size) or that image resized to reduced_w x reduced_h.
struct WarpPlan {
  double m[6];
  int64_t reduced_w, reduced_h;
  Border border;
  double border_value;
};

#if defined(__CUDA_ARCH__)
PA_HD double mul_exact(double a, double b) { return __dmul_rn(a, b); }
PA_HD double add_exact(double a, double b) { return __dadd_rn(a, b); }
#else
PA_HD double mul_exact(double a, double b) { return a * b; }
PA_HD double add_exact(double a, double b) { return a + b; }
#endif

PA_HD double lerp_exact(double a, double b, double f) { return add_exact(mul_exact(1.0 - f, a), mul_exact(f, b)); }

PA_HD double map_axis(const double* m, double x, double y) {
  return add_exact(add_exact(mul_exact(m[0], x), mul_exact(m[1], y)), m[2]);
}

struct Sample {
  int64_t x, y;  // upper left tap
  double fx, fy;
};

// Far outside, the place no longer matters; the clamp keeps the conversion to integer defined.
PA_HD double clamp_axis(double s, int64_t n) {
  const double top = static_cast<double>(n) + 1.0;
  return s < -2.0 ? -2.0 : (s > top ? top : s);
}

PA_HD Sample locate(const WarpPlan& p, int64_t x, int64_t y) {
  const double sx = clamp_axis(map_axis(p.m, static_cast<double>(x), static_cast<double>(y)), p.reduced_w);
  const double sy = clamp_axis(map_axis(p.m + 3, static_cast<double>(x), static_cast<double>(y)), p.reduced_h);
  const double bx = floor(sx), by = floor(sy);
  return {static_cast<int64_t>(bx), static_cast<int64_t>(by), sx - bx, sy - by};
}

PA_HD int64_t nearest_index(int64_t i, int64_t n) { return i < 0 ? 0 : (i < n ? i : n - 1); }

// tap(x, y) is called with coordinates inside the image only.
template <typename F>
PA_HD double tap_or_border(const WarpPlan& p, int64_t x, int64_t y, const F& tap) {
  if (p.border == Border::edge) return tap(nearest_index(x, p.reduced_w), nearest_index(y, p.reduced_h));
  return x >= 0 && x < p.reduced_w && y >= 0 && y < p.reduced_h ? tap(x, y) : p.border_value;
}

// Whether no tap lies in the image: the result is the border's value itself, which a blend of it might round away from.
PA_HD bool outside(const WarpPlan& p, const Sample& s) {
  return p.border == Border::constant && (s.x < -1 || s.x >= p.reduced_w || s.y < -1 || s.y >= p.reduced_h);
}

template <typename F>
PA_HD double interpolate(const WarpPlan& p, const Sample& s, const F& tap) {
  if (outside(p, s)) return p.border_value;
  const double top = lerp_exact(tap_or_border(p, s.x, s.y, tap), tap_or_border(p, s.x + 1, s.y, tap), s.fx);
  const double bottom = lerp_exact(tap_or_border(p, s.x, s.y + 1, tap), tap_or_border(p, s.x + 1, s.y + 1, tap), s.fx);
  return lerp_exact(top, bottom, s.fy);
}

PA_HD void put_sample(double v, uint8_t* out) { *out = static_cast<uint8_t>(static_cast<int32_t>(v + 0.5)); }
PA_HD void put_sample(double v, float* out) { *out = static_cast<float>(v); }

}  // namespace pyapdraw
