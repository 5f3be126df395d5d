#pragma once
// Arithmetic of guided_upsample that the CPU and CUDA kernels share.
#include <cstdint>

#include "core/math.h"

namespace pyapdraw {
namespace guided {

constexpr float kRed = 0.299f / 255, kGreen = 0.587f / 255, kBlue = 0.114f / 255;

PA_HD float grey(float r, float g, float b) { return kRed * r + kGreen * g + kBlue * b; }

// The image rows (columns) of a coarse cell: half-open, at least one.
PA_HD int64_t cell_begin(int64_t i, int64_t n, int64_t cells) { return i * n / cells; }
PA_HD int64_t cell_end(int64_t i, int64_t n, int64_t cells) { return ((i + 1) * n + cells - 1) / cells; }

// Cells of the window around cell i of n, cut at the border: half-open.
PA_HD int64_t window_begin(int64_t i, int64_t radius) { return i > radius ? i - radius : 0; }
PA_HD int64_t window_end(int64_t i, int64_t radius, int64_t n) { return i + radius + 1 < n ? i + radius + 1 : n; }

// Least-squares line p ~ a g + b of a window from its means.
PA_HD void fit_line(float mean_g, float mean_p, float mean_gg, float mean_gp, float epsilon, float* a, float* b) {
  const float variance = mean_gg - mean_g * mean_g, covariance = mean_gp - mean_g * mean_p;
  *a = covariance / ((variance > 0 ? variance : 0) + epsilon);
  *b = mean_p - *a * mean_g;
}

// Cell below pixel y of n pixels over `cells` cells, and how far y is towards the next one: the integer and the
// fractional part of (y + 1/2) cells / n - 1/2, kept within the outermost centres. In integers, so that it is exact.
PA_HD int64_t cell_below(int64_t y, int64_t n, int64_t cells, float* fraction) {
  const int64_t unit = 2 * n, most = unit * (cells - 1);
  int64_t place = (2 * y + 1) * cells - n;
  place = place < 0 ? 0 : (place > most ? most : place);
  const int64_t i = place / unit;
  *fraction = static_cast<float>(place - i * unit) / static_cast<float>(unit);
  return i;
}

PA_HD float mix(float a, float b, float f) { return a + (b - a) * f; }

// 255 ((slope grey + base - 1/2) gain + 1/2), rounded and saturated; NaN becomes 0.
PA_HD uint8_t level(float slope, float base, float grey, float gain) {
  const float scale = 255.0f * gain, offset = 127.5f - 127.5f * gain + 0.5f;
  float v = (slope * grey + base) * scale + offset;
  v = v > 0.0f ? v : 0.0f;
  return static_cast<uint8_t>(static_cast<int32_t>(v < 255.0f ? v : 255.0f));
}

}  // namespace guided
}  // namespace pyapdraw
