#pragma once
// ink_math.h for the jaw line: the rays that the lower face is unrolled along, the evidence on them, and the stroke.
#include "core/ink_math.h"

namespace pyapdraw {
namespace sketch {

constexpr int kAngles = 97, kRadii = 64, kReach = 2;
constexpr float kNear = 0.74f, kFar = 1.30f;  // radii searched, relative to the usual jaw

PA_HD float radius_share(int j) { return kNear + (kFar - kNear) * static_cast<float>(j) / (kRadii - 1); }

struct Ray {
  float sine, cosine, usual, fade;
};
// The direction of ray i: from one ear down to the chin and up to the other.
PA_HD float jaw_angle(int i) { return (static_cast<float>(i) / (kAngles - 1) * 200.f - 100.f) * 0.017453293f; }
PA_HD Ray jaw_ray(const Frame& f, float sine, float cosine) {
  const float toward = f.yaw > 0.f ? f.yaw : 0.f, away = f.yaw < 0.f ? -f.yaw : 0.f;
  // a turned head shows more of the side away from the nose
  const float wide = 128.f * (sine > 0.f ? 1.f - 0.9f * toward + 0.35f * away : 1.f - 0.9f * away + 0.35f * toward);
  const float usual = 1.f / std::sqrt(sine * sine / (wide * wide) + cosine * cosine / (133.f * 133.f));
  return {sine, cosine, usual, clamp((cosine + 0.02f) / 0.4f, 0.f, 1.f)};
}
PA_HD void jaw_point(const Frame& f, const Ray& r, int j, float* x, float* y) {
  to_crop(f, 256.f + r.usual * radius_share(j) * r.sine, 318.f + r.usual * radius_share(j) * r.cosine, x, y);
}

// A plane w x h at (x, y), bilinear, the border repeated.
PA_HD float sample(const float* plane, int64_t w, int64_t h, float x, float y) {
  x = clamp(x, 0.f, static_cast<float>(w) - 1.f);
  y = clamp(y, 0.f, static_cast<float>(h) - 1.f);
  const int64_t ix = clamp_index(static_cast<int64_t>(x), w > 1 ? w - 2 : 0);
  const int64_t iy = clamp_index(static_cast<int64_t>(y), h > 1 ? h - 2 : 0);
  const int64_t right = w > 1 ? 1 : 0, down = h > 1 ? w : 0;
  const float* q = plane + iy * w + ix;
  return bilinear(q[0], q[right], q[down], q[down + right], x - static_cast<float>(ix), y - static_cast<float>(iy));
}

// The evidence for a jaw at radius j of a ray, from its tones t and skin labels k: edge, and with what is usual, total.
PA_HD void jaw_evidence(const float* t, const float* k, int j, float* edge, float* total) {
  const bool inner = j >= 2 && j < kRadii - 2;
  const float fall = inner ? t[j - 2] - t[j + 2] : 0.f, end = inner ? k[j - 2] - k[j + 2] : 0.f;
  const float face = j >= 3 ? k[j - 3] : 0.f, off = (radius_share(j) - 1.02f) / 0.16f;
  const float contrast = clamp(fall > -0.6f * fall ? fall : -0.6f * fall, 0.f, 0.12f) / 0.12f;
  *edge = (contrast + 0.6f * clamp(end, 0.f, 0.5f)) * face - 0.5f * (1.f - face);
  *total = *edge - 0.35f * off * off;
}

// Smooths the evidence a little (5 radii, 3 angles), so that single pixels do not decide.
PA_HD float soft_radius(const float* e, int j) {
  const float r[3] = {0.375f, 0.25f, 0.0625f};
  float v = r[0] * e[j];
  for (int d = 1; d <= 2; ++d) v += r[d] * (e[clamp_index(j - d, kRadii - 1)] + e[clamp_index(j + d, kRadii - 1)]);
  return v;
}
PA_HD float soft_angle(float before, float here, float after) { return 0.5f * here + 0.25f * (before + after); }

// The best way to radius j from the costs one angle before; *step: where from.
PA_HD float best_before(const float* before, int j, int8_t* step) {
  float best = -1e9f;
  for (int d = -kReach; d <= kReach; ++d) {
    if (j + d < 0 || j + d >= kRadii) continue;
    const float c = before[j + d] - 0.02f * static_cast<float>(d * d);
    if (c > best) best = c, *step = static_cast<int8_t>(d);
  }
  return best;
}

// The path's radius at one angle, between the radii that were looked at.
PA_HD float jaw_place(const float* total, int path) {
  const int j = path < 1 ? 1 : (path > kRadii - 2 ? kRadii - 2 : path);
  const float a = total[j - 1], b = total[j], c = total[j + 1], bend = a - 2.f * b + c;
  return static_cast<float>(j) + clamp(0.5f * (a - c) / (bend < -1e-4f ? bend : -1e-4f), -0.5f, 0.5f);
}

struct StrokePoint {
  float x, y, width;
};
// The smoothed stroke at angle i, from the places and the strengths of all angles.
PA_HD StrokePoint jaw_stroke(const InkStyle& st, const Frame& f, const Ray& ray, int i, const float* place,
                             const float* strength) {
  const float outward = st.jaw_shift / (133.f * (kFar - kNear) / (kRadii - 1));  // px to steps of radius
  float p = 0.f, t = 0.f, sum = 0.f;
  for (int d = -6; d <= 6; ++d) {
    const int64_t k = clamp_index(i + d, kAngles - 1);
    const float w = std::exp(-0.125f * static_cast<float>(d * d));
    p += w * place[k], t += w * strength[k], sum += w;
  }
  p = clamp(p / sum + outward, 0.f, kRadii - 1.001f);
  const int j = static_cast<int>(p);
  const float r = p - static_cast<float>(j);
  float x0, y0, x1, y1;
  jaw_point(f, ray, j, &x0, &y0);
  jaw_point(f, ray, j + 1, &x1, &y1);
  return {x0 + r * (x1 - x0), y0 + r * (y1 - y0), smoothstep(t / sum, st.jaw_low, st.jaw_low + 0.25f) * ray.fade};
}

// The ink that lies near point i of the stroke already, from a little inside to further outside.
PA_HD float ink_nearby(const StrokePoint* k, int i, const float* paper, const Grid& full, float pen) {
  const StrokePoint a = k[i > 0 ? i - 1 : 0], b = k[i < kAngles - 1 ? i + 1 : i];
  const float tx = b.x - a.x, ty = b.y - a.y, n = std::sqrt(tx * tx + ty * ty) + 1e-6f;
  float found = 0.f;
  for (int d = -3; d <= 7; ++d) {  // outwards is to the right of the direction of travel
    const float at = static_cast<float>(d) * pen;
    const float ink = 1.f - sample(paper, full.width, full.height, k[i].x + at * ty / n, k[i].y - at * tx / n);
    found = ink > found ? ink : found;
  }
  return found;
}
// What is left of the width where ink begins at the jaw already.
PA_HD float jaw_share(const float* found, int i) {
  float sum = 0.f;
  for (int d = -2; d <= 2; ++d) sum += found[clamp_index(i + d, kAngles - 1)];
  return 1.f - smoothstep(sum, 2.f, 4.5f);
}

// The pixels that a segment from a to b may touch, and how much of pixel (x, y) its ink covers.
struct Span {
  int64_t x0, x1, y0, y1;  // inclusive
};
PA_HD Span segment_span(const StrokePoint& a, const StrokePoint& b, float half, const Grid& full) {
  const float reach = half + 2.f;
  return {clamp_index(static_cast<int64_t>((a.x < b.x ? a.x : b.x) - reach), full.width - 1),
          clamp_index(static_cast<int64_t>((a.x > b.x ? a.x : b.x) + reach + 1), full.width - 1),
          clamp_index(static_cast<int64_t>((a.y < b.y ? a.y : b.y) - reach), full.height - 1),
          clamp_index(static_cast<int64_t>((a.y > b.y ? a.y : b.y) + reach + 1), full.height - 1)};
}
PA_HD bool segment_shows(const StrokePoint& a, const StrokePoint& b) { return !(a.width < 0.1f && b.width < 0.1f); }
PA_HD float segment_cover(const StrokePoint& a, const StrokePoint& b, float half, int64_t x, int64_t y) {
  const float dx = b.x - a.x, dy = b.y - a.y, n = dx * dx + dy * dy + 1e-6f;
  const float px = static_cast<float>(x) - a.x, py = static_cast<float>(y) - a.y;
  const float t = clamp((px * dx + py * dy) / n, 0.f, 1.f);
  const float ex = px - t * dx, ey = py - t * dy, w = a.width + t * (b.width - a.width);
  return clamp(w * half - std::sqrt(ex * ex + ey * ey) + 0.5f, 0.f, 1.f) * clamp(3.f * w, 0.f, 1.f);
}
constexpr uint8_t kJawPerson = 77;  // the person mask that a jaw needs

}  // namespace sketch
}  // namespace pyapdraw
