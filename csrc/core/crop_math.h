#pragma once
// Arithmetic that the CPU and CUDA kernels of crop_area, crop_warp and nms share.
#include <cmath>
#include <cstdint>

#include "core/math.h"
#include "pyapdraw/tensor.h"

namespace pyapdraw {
namespace crop {

constexpr int kMostTaps = 4;  // crop_warp reads at most this many samples squared a pixel

// The source interval of output i: half-open, at least one pixel.
PA_HD int64_t area_begin(int64_t i, int64_t source, int64_t outputs) { return i * source / outputs; }
PA_HD int64_t area_end(int64_t i, int64_t source, int64_t outputs) {
  return ((i + 1) * source + outputs - 1) / outputs;
}
PA_HD float area_mean(int64_t sum, float count, float subtract, float multiply) {
  return (static_cast<float>(sum) / count - subtract) * multiply;
}

// Samples along one side of the footprint of an output pixel. m: output (u,v) -> image.
PA_HD int tap_count(const double* m) {
  const double side = std::sqrt(std::fabs(m[0] * m[4] - m[1] * m[3]));
  int taps = 1;
  while (taps < kMostTaps && taps + 0.25 < side) ++taps;
  return taps;
}

// Where sample i of taps * taps lies, seen from the pixel's centre.
PA_HD void tap_offset(const double* m, int taps, int i, float* x, float* y) {
  const double du = (i % taps + 0.5) / taps - 0.5, dv = (i / taps + 0.5) / taps - 0.5;
  *x = static_cast<float>(m[0] * du + m[1] * dv);
  *y = static_cast<float>(m[3] * du + m[4] * dv);
}

// sum += weight times the image at (x,y), bilinear; `outside` beyond the outer edges of the border's pixels.
template <typename T, int C>
PA_HD void add_bilinear(const Tensor& image, float x, float y, float weight, float outside, float* sum) {
  const float right = static_cast<float>(image.shape[1] - 1), bottom = static_cast<float>(image.shape[0] - 1);
  if (!(x >= -0.5f && x <= right + 0.5f && y >= -0.5f && y <= bottom + 0.5f)) {  // NaN too
    for (int c = 0; c < C; ++c) sum[c] += weight * outside;
    return;
  }
  x = x > 0.0f ? (x < right ? x : right) : 0.0f;
  y = y > 0.0f ? (y < bottom ? y : bottom) : 0.0f;
  const int64_t x0 = static_cast<int64_t>(x), y0 = static_cast<int64_t>(y);
  const float fx = x - static_cast<float>(x0), fy = y - static_cast<float>(y0);
  const int64_t dx = x0 + 1 < image.shape[1] ? image.stride[1] : 0, dy = y0 + 1 < image.shape[0] ? image.stride[0] : 0;
  const T* p = static_cast<const T*>(image.data) + y0 * image.stride[0] + x0 * image.stride[1];
  const float w11 = fx * fy, w10 = fy - w11, w01 = fx - w11, w00 = 1.0f - fx - fy + w11;
  for (int c = 0; c < C; ++c)
    sum[c] += weight * (w00 * static_cast<float>(p[c]) + w01 * static_cast<float>(p[dx + c]) +
                        w10 * static_cast<float>(p[dy + c]) + w11 * static_cast<float>(p[dy + dx + c]));
}

// A product that is rounded before it is used: a fused multiply-add would round otherwise than the CPU's baseline.
PA_HD float rounded_product(float a, float b) {
#if defined(__CUDA_ARCH__)
  return __fmul_rn(a, b);
#else
  return a * b;
#endif
}

// Boxes are x0, y0, x1, y1.
PA_HD float box_area(const float* b, float side) { return rounded_product(b[2] - b[0] + side, b[3] - b[1] + side); }

// How nms measures: box b, of a lower score, goes when a stays.
struct Suppression {
  float threshold, side;
  bool minimum;
};

PA_HD bool suppresses(const float* a, float area_a, const float* b, float area_b, const Suppression& how) {
  const float x0 = a[0] > b[0] ? a[0] : b[0], y0 = a[1] > b[1] ? a[1] : b[1];
  const float x1 = a[2] < b[2] ? a[2] : b[2], y1 = a[3] < b[3] ? a[3] : b[3];
  const float w = x1 - x0 + how.side, h = y1 - y0 + how.side;
  const float inter = rounded_product(w > 0.0f ? w : 0.0f, h > 0.0f ? h : 0.0f);
  const float whole = how.minimum ? (area_a < area_b ? area_a : area_b) : area_a + area_b - inter;
  return inter / whole > how.threshold;
}

}  // namespace crop
}  // namespace pyapdraw
