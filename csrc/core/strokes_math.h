#pragma once
// How much of a pixel the ink of a tapered stroke covers, for the CPU and the CUDA kernel.
#include <cmath>

#include "core/math.h"

namespace pyapdraw {
namespace pen {

struct Point {
  float x, y, width;
  bool joined;  // with the point before
};

PA_HD float clamped(float v, float low, float high) { return v < low ? low : (v > high ? high : v); }

// Beyond this from both points, in each axis, a segment covers nothing.
PA_HD float reach(const Point& a, const Point& b) { return 0.5f * (a.width > b.width ? a.width : b.width) + 1.f; }

// Coverage 0..1 of the pixel whose centre is (x, y) by the stroke from a to b, whose width goes from one to the other.
// A stroke thinner than a pixel covers no more than its width.
PA_HD float cover(const Point& a, const Point& b, float x, float y) {
  const float dx = b.x - a.x, dy = b.y - a.y, px = x - a.x, py = y - a.y;
  const float t = clamped((px * dx + py * dy) / (dx * dx + dy * dy + 1e-12f), 0.f, 1.f);
  const float ex = px - t * dx, ey = py - t * dy, width = a.width + t * (b.width - a.width);
  const float most = width < 1.f ? width : 1.f;
  return clamped(0.5f * width - std::sqrt(ex * ex + ey * ey) + 0.5f, 0.f, most < 0.f ? 0.f : most);
}

PA_HD int paper(float cover) { return static_cast<int>(255.f * (1.f - cover) + 0.5f); }

}  // namespace pen
}  // namespace pyapdraw
