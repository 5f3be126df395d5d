#pragma once
// Arithmetic that flow_dog and the style ink share between the CPU and CUDA kernels: windows, cells of a coarser grid,
// gradients, the flow's tangents, and steps along it. Functions only: see cpu/isa.h.
#include <cmath>
#include <cstdint>
#include <cstring>

#include "core/math.h"

namespace pyapdraw {
namespace sketch {

PA_HD float clamp(float v, float low, float high) { return v < low ? low : (v > high ? high : v); }
PA_HD int64_t clamp_index(int64_t v, int64_t high) { return v < 0 ? 0 : (v > high ? high : v); }

// Cells of a grid `factor` times coarser; the last may be cut.
PA_HD int64_t reduced(int64_t n, int factor) { return (n + factor - 1) / factor; }

constexpr int kMaxRadius = 192;  // 2.5 sigma of the widest full-size filter at the largest canvas

// One side of a normalised Gaussian, truncated at 2.5 sigma.
struct Gaussian {
  int radius;
  float weight[kMaxRadius + 1];
};

static inline Gaussian gaussian(float sigma) {
  Gaussian g;
  g.radius = 0;
  g.weight[0] = 1.f;
  if (sigma < 0.2f) return g;
  const int r = static_cast<int>(std::ceil(2.5f * sigma));
  g.radius = r > kMaxRadius ? kMaxRadius : r;
  float sum = 0.f;
  for (int i = 0; i <= g.radius; ++i) {
    g.weight[i] = std::exp(-0.5f * static_cast<float>(i * i) / (sigma * sigma));
    sum += i ? 2.f * g.weight[i] : g.weight[i];
  }
  for (int i = 0; i <= g.radius; ++i) g.weight[i] /= sum;
  return g;
}

// The 3 x 3 Sobel kernel / 8 on rows a (above), b and c.
PA_HD float gradient_x(float a0, float a2, float b0, float b2, float c0, float c2) {
  return 0.125f * ((a2 - a0) + 2.f * (b2 - b0) + (c2 - c0));
}
PA_HD float gradient_y(float a0, float a1, float a2, float c0, float c1, float c2) {
  return 0.125f * ((c0 - a0) + 2.f * (c1 - a1) + (c2 - a2));
}

// Unit vector across the gradient, from the smoothed products a = gx gx, b = gx gy, c = gy gy. The gradient's angle is
// half the angle of (a - c, 2 b).
PA_HD void tangent_of(float a, float b, float c, float* x, float* y) {
  const float d = a - c, e = 2.f * b, r = std::sqrt(d * d + e * e) + 1e-20f;
  const float cos2 = clamp(d / r, -1.f, 1.f);
  const float cos1 = std::sqrt(0.5f * (1.f + cos2)), sin1 = std::sqrt(0.5f * (1.f - cos2));
  *x = e < 0.f ? sin1 : -sin1;
  *y = cos1;
}

// What is read along the flow is kept in 16 bits. Tones and scores to 1/8192 up to +-4 (tones beyond are white paper
// anyway), tangents to 1/32767.
constexpr float kUnit = 1.f / 8192, kTangentUnit = 1.f / 32767;
PA_HD int32_t quantised(float v, float unit) {
  const float most = 32767.f, scaled = v * (1.f / unit);
  const float above = scaled > -most ? scaled : -most;  // NaN too: it has no integer
  return static_cast<int32_t>(std::floor((above < most ? above : most) + 0.5f));
}
// Two such numbers in one word.
PA_HD uint32_t pack(float a, float b, float unit) {
  return (static_cast<uint32_t>(quantised(a, unit)) & 0xffffu) | (static_cast<uint32_t>(quantised(b, unit)) << 16);
}
PA_HD float low_half(uint32_t v) { return static_cast<float>(static_cast<int32_t>(v << 16) >> 16); }
PA_HD float high_half(uint32_t v) { return static_cast<float>(static_cast<int32_t>(v) >> 16); }

// A walk along the tangents of a grid; where it is, and the direction it came with.
constexpr int kMaxSteps = 7;
struct FlowSteps {
  int count;
  float weight[kMaxSteps + 1], total;
};
static inline FlowSteps flow_steps(float sigma) {
  FlowSteps s;
  s.count = sigma < 0.5f * kMaxSteps ? static_cast<int>(2.f * sigma + 0.5f) : kMaxSteps;
  s.total = 1.f;
  for (int i = 1; i <= s.count; ++i) {
    s.weight[i] = std::exp(-0.5f * static_cast<float>(i * i) / (sigma * sigma));
    s.total += 2.f * s.weight[i];
  }
  return s;
}

struct FlowGrid {
  const uint32_t* tangent;  // packed pairs
  int32_t low;              // width of the grid
  float inverse_factor, step;
  float right, bottom;  // the last place that has neighbours on all sides
};
struct Walker {
  float x, y, dx, dy;
};

PA_HD FlowGrid flow_grid(const uint32_t* tangent, int32_t low, int factor, float step, int64_t width, int64_t height) {
  return {tangent,
          low,
          1.f / static_cast<float>(factor),
          step,
          static_cast<float>(width) - 1.001f,
          static_cast<float>(height) - 1.001f};
}

PA_HD uint32_t tangent_at(const FlowGrid& g, float x, float y) {
  return g.tangent[static_cast<int32_t>((y + 0.5f) * g.inverse_factor) * g.low +
                   static_cast<int32_t>((x + 0.5f) * g.inverse_factor)];
}

PA_HD Walker start_walk(const FlowGrid& g, float x, float y, float sign) {
  Walker w;
  w.x = x < g.right ? x : g.right;
  w.y = y < g.bottom ? y : g.bottom;
  const uint32_t pair = tangent_at(g, w.x, w.y);
  w.dx = sign * low_half(pair) * kTangentUnit;
  w.dy = sign * high_half(pair) * kTangentUnit;
  return w;
}

// One step, kept inside.
PA_HD void move(const FlowGrid& g, Walker& w) {
  float px = w.x + g.step * w.dx, py = w.y + g.step * w.dy;
  px = px < 0.f ? 0.f : px;
  py = py < 0.f ? 0.f : py;
  w.x = px > g.right ? g.right : px;
  w.y = py > g.bottom ? g.bottom : py;
}

// The next direction: a tangent has no direction of its own, so the one that turns less.
PA_HD void turn(const FlowGrid& g, Walker& w) {
  const uint32_t pair = tangent_at(g, w.x, w.y);
  const float nx = low_half(pair) * kTangentUnit, ny = high_half(pair) * kTangentUnit;
  const float sign = nx * w.dx + ny * w.dy < 0.f ? -1.f : 1.f;
  w.dx = sign * nx;
  w.dy = sign * ny;
}

PA_HD float bilinear(float a0, float a1, float b0, float b1, float fx, float fy) {
  const float top = a0 + fx * (a1 - a0), bottom = b0 + fx * (b1 - b0);
  return top + fy * (bottom - top);
}

}  // namespace sketch
}  // namespace pyapdraw
