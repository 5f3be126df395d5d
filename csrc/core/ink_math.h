#pragma once
// Arithmetic of the style ink that the CPU and CUDA kernels share, stage by stage: what is done at one pixel, one cell,
// or once a drawing. See cpu/ink.cpp for the method. Functions and plain structs only: see cpu/isa.h.
#include "core/flow_dog_math.h"
#include "core/ink_style.h"
#include "pyapdraw/ops.h"

namespace pyapdraw {
namespace sketch {

PA_HD float smoothstep(float v, float low, float high) {
  const float t = clamp((v - low) / (high - low), 0.f, 1.f);
  return t * t * (3.f - 2.f * t);
}
PA_HD float least(float a, float b) { return a < b ? a : b; }
PA_HD float most(float a, float b) { return a > b ? a : b; }

// Natural logarithm of a positive normal float, to 1e-6: exponent from the bits, mantissa by the series of
// 2 atanh((m-1)/(m+1)). Written out because a call of logf does not vectorise.
PA_HD float log_fast(float v) {
  int32_t bits;
  memcpy(&bits, &v, 4);
  const int32_t shifted = bits - 0x3f3504f3;  // sqrt(1/2): mantissa in [0.707, 1.414)
  const int32_t exponent = shifted >> 23;
  const int32_t mantissa = bits - exponent * (1 << 23);  // a shift of a negative number is undefined
  float m;
  memcpy(&m, &mantissa, 4);
  const float z = (m - 1.f) / (m + 1.f), z2 = z * z;
  return static_cast<float>(exponent) * 0.69314718f +
         2.f * z * (1.f + z2 * (1.f / 3 + z2 * (1.f / 5 + z2 * (1.f / 7 + z2 * (1.f / 9)))));
}

// Distance from the middle of an ellipse, in its radii; soft membership: 1 inside, 0 beyond (1 + soft) radii.
PA_HD float ellipse(float u, float v, float cu, float cv, float ru, float rv) {
  const float a = (u - cu) / ru, b = (v - cv) / rv;
  return std::sqrt(a * a + b * b);
}
PA_HD float inside(float distance, float soft) { return 1.f - smoothstep(distance, 1.f - soft, 1.f + soft); }

// --- Sizes -------------------------------------------------------------------------------------------------------

struct Grid {
  int64_t width, height;
};
PA_HD int64_t cells_of(const Grid& g) { return g.width * g.height; }
PA_HD Grid reduced(const Grid& g, int factor) { return {reduced(g.width, factor), reduced(g.height, factor)}; }

struct Sizes {
  float scale;             // px of the picture a px of the style's lengths
  float pen;               // scale of pen widths: scale, but never below 1/2
  int factor;              // reduction to the working grid
  Grid full, low, coarse;  // the picture, the working grid, and the coarse grid, a quarter of it
};

// scale: 0 for that of a square picture, side / 512. figure: of a whole figure, whose working grid is coarser where it
// is large for its scale: half of the time.
PA_HD Sizes sizes_of(int64_t width, int64_t height, float scale, bool figure) {
  Sizes s{};
  s.full = {width, height};
  s.scale = scale > 0.f ? scale : static_cast<float>(height) / 512.f;
  s.pen = s.scale > 0.5f ? s.scale : 0.5f;
  const int factor = static_cast<int>(2.f * s.scale + 0.5f), least = figure && s.scale > 0.35f ? 2 : 1;
  s.factor = factor > least ? factor : least;
  s.low = reduced(s.full, s.factor);
  s.coarse = reduced(s.low, 4);
  return s;
}

// Least distance of the eyes, in sides of the crop that the drawing's lengths belong to: of a whole figure those are
// the body's, several times the face's.
PA_HD float least_eyes(bool figure) { return figure ? 0.002f : 0.02f; }

// The style as the options want it.
PA_HD InkStyle style_of(const InkOptions& o) {
  InkStyle st{};
  st.light_hair = o.light_hair;
  st.figure = o.figure;
  if (o.figure) st.around = st.figure_around;
  st.line *= o.line;
  st.jaw_width *= o.line;
  st.contour_width *= o.line;
  st.line_low /= o.detail;
  st.fold_low /= o.detail;
  st.strand_gain *= o.detail;
  st.speck /= o.detail;
  return st;
}

// Centre of a cell in px of the finer grid.
PA_HD float cell_centre(int64_t i, float factor) { return (static_cast<float>(i) + 0.5f) * factor - 0.5f; }

// Bilinear return from a grid reduced by factor: the cell before pixel x, and the weight of the next.
PA_HD int64_t enlarge_place(int64_t x, int64_t low, int factor, float* weight) {
  const float v = (static_cast<float>(x) + 0.5f) / static_cast<float>(factor) - 0.5f;
  if (v <= 0.f || low == 1) {
    *weight = 0.f;
    return 0;
  }
  int64_t i = static_cast<int64_t>(v);
  if (i > low - 2) i = low - 2;
  *weight = clamp(v - static_cast<float>(i), 0.f, 1.f);
  return i;
}

// --- The face's own frame ----------------------------------------------------------------------------------------

// Template coordinates of a 512 px crop (u to the right, v down) by a similarity.
struct Frame {
  float cos_, sin_;      // scaled rotation, template -> crop
  float from[2], to[2];  // the points that correspond
  float at[5][2];        // landmarks in crop px
  float yaw;             // nose offset along the eye axis in eye distances, > 0 to larger x
  float eye_px;          // distance of the eyes in crop px
};

PA_HD void to_template(const Frame& f, float x, float y, float* u, float* v) {
  const float dx = x - f.to[0], dy = y - f.to[1], n = f.cos_ * f.cos_ + f.sin_ * f.sin_;
  *u = (f.cos_ * dx + f.sin_ * dy) / n + f.from[0];
  *v = (f.cos_ * dy - f.sin_ * dx) / n + f.from[1];
}
PA_HD void to_crop(const Frame& f, float u, float v, float* x, float* y) {
  const float du = u - f.from[0], dv = v - f.from[1];
  *x = f.cos_ * du - f.sin_ * dv + f.to[0];
  *y = f.sin_ * du + f.cos_ * dv + f.to[1];
}

// Eyes, nose tip, mouth corners of the template.
PA_HD float template_point(int i, int k) {
  const float u[5] = {201, 311, 256, 207, 305}, v[5] = {247, 247, 312, 371, 371};
  return k ? v[i] : u[i];
}

// The similarity that fits the landmarks best.
PA_HD Frame fit_frame(const float (*points)[2]) {
  Frame f{};
  float sum[2] = {}, mean[2] = {};
  for (int i = 0; i < 5; ++i)
    for (int k = 0; k < 2; ++k) {
      f.at[i][k] = points[i][k];
      sum[k] += points[i][k];
      mean[k] += template_point(i, k);
    }
  for (int k = 0; k < 2; ++k) f.to[k] = sum[k] / 5, f.from[k] = mean[k] / 5;
  float c = 0, q = 0, n = 0;
  for (int i = 0; i < 5; ++i) {
    const float ax = template_point(i, 0) - f.from[0], ay = template_point(i, 1) - f.from[1];
    const float bx = f.at[i][0] - f.to[0], by = f.at[i][1] - f.to[1];
    c += ax * bx + ay * by;
    q += ax * by - ay * bx;
    n += ax * ax + ay * ay;
  }
  f.cos_ = c / n;
  f.sin_ = q / n;
  const float ex = f.at[1][0] - f.at[0][0], ey = f.at[1][1] - f.at[0][1];
  f.eye_px = std::sqrt(ex * ex + ey * ey);
  const float mx = 0.25f * (f.at[0][0] + f.at[1][0] + f.at[3][0] + f.at[4][0]);
  const float my = 0.25f * (f.at[0][1] + f.at[1][1] + f.at[3][1] + f.at[4][1]);
  f.yaw = clamp(((f.at[2][0] - mx) * ex + (f.at[2][1] - my) * ey) / (f.eye_px * f.eye_px), -0.35f, 0.35f);
  return f;
}

// --- prepare -----------------------------------------------------------------------------------------------------

PA_HD float luma(float red, float green, float blue) {
  const float r = 0.3f / 255, g = 0.6f / 255, b = 0.1f / 255;
  return r * red + g * green + b * blue;
}

// Of three points of an outline in falling rows a < b < y: whether b is a corner that bulges to smaller x. Whole
// numbers, so that the corners do not depend on the order in which points are looked at.
PA_HD bool bulges(int64_t a, int64_t at_a, int64_t b, int64_t at_b, int64_t y, int64_t at_y) {
  return (at_b - at_a) * (y - a) < (at_y - at_a) * (b - a);
}

// The tone beside the photo: that of the photo nearby, further away a wide mean of it. near and wide are sums of tone,
// near_share and wide_share of the pixels that they come from.
PA_HD float tone_outside(float near, float near_share, float wide, float wide_share) {
  const float trust = smoothstep(near_share, 0.001f, 0.05f);
  return trust * near / (near_share + 1e-6f) + (1.f - trust) * wide / (wide_share + 1e-6f);
}

}  // namespace sketch
}  // namespace pyapdraw
