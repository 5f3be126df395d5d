// ink: the jaw line, which is drawn even where its contrast is too low for the other lines.
//   The lower face is unrolled into polar coordinates about its middle; the best closed-up path from ear to ear
//   through the chin is found by dynamic programming over (tone edge, end of the skin, nearness to the usual jaw),
//   smoothed, and drawn as a tapered stroke where the evidence along it is strong enough.
#include "cpu/ink.h"

namespace pyapdraw {
namespace PA_ISA {
namespace inking {

namespace {

constexpr int kAngles = 97, kRadii = 64, kReach = 2;
constexpr float kNear = 0.74f, kFar = 1.30f;  // radii searched, relative to the usual jaw

struct Rays {
  float x[kAngles][kRadii], y[kAngles][kRadii], fade[kAngles];
};

inline float radius_share(int j) { return kNear + (kFar - kNear) * static_cast<float>(j) / (kRadii - 1); }

void cast_rays(const Frame& f, Rays& rays) {
  const float toward = f.yaw > 0.f ? f.yaw : 0.f, away = f.yaw < 0.f ? -f.yaw : 0.f;
  for (int i = 0; i < kAngles; ++i) {
    const float angle = (static_cast<float>(i) / (kAngles - 1) * 200.f - 100.f) * 0.017453293f;
    const float sine = std::sin(angle), cosine = std::cos(angle);
    // a turned head shows more of the side away from the nose
    const float wide = 128.f * (sine > 0.f ? 1.f - 0.9f * toward + 0.35f * away : 1.f - 0.9f * away + 0.35f * toward);
    const float usual = 1.f / std::sqrt(sine * sine / (wide * wide) + cosine * cosine / (133.f * 133.f));
    for (int j = 0; j < kRadii; ++j)
      f.to_crop(256.f + usual * radius_share(j) * sine, 318.f + usual * radius_share(j) * cosine, &rays.x[i][j],
                &rays.y[i][j]);
    rays.fade[i] = clamp((cosine + 0.02f) / 0.4f, 0.f, 1.f);
  }
}

float sample(const Plane& p, float x, float y) {
  x = clamp(x, 0.f, static_cast<float>(p.w) - 1.f);
  y = clamp(y, 0.f, static_cast<float>(p.h) - 1.f);
  const int64_t ix = clamp_index(static_cast<int64_t>(x), p.w > 1 ? p.w - 2 : 0);
  const int64_t iy = clamp_index(static_cast<int64_t>(y), p.h > 1 ? p.h - 2 : 0);
  const int64_t right = p.w > 1 ? 1 : 0, down = p.h > 1 ? p.w : 0;
  const float fx = x - static_cast<float>(ix), fy = y - static_cast<float>(iy);
  const float* q = p.row(iy) + ix;
  const float top = q[0] + fx * (q[right] - q[0]), bottom = q[down] + fx * (q[down + right] - q[down]);
  return top + fy * (bottom - top);
}

struct Evidence {
  float edge[kAngles][kRadii], total[kAngles][kRadii];
};

void gather(const Sheet& s, const Rays& rays, const Plane& tone, const Plane& skin, Evidence& e) {
  const float f = static_cast<float>(s.factor);
  for (int i = 0; i < kAngles; ++i) {
    float t[kRadii], k[kRadii];
    for (int j = 0; j < kRadii; ++j) {
      const float x = (rays.x[i][j] + 0.5f) / f - 0.5f, y = (rays.y[i][j] + 0.5f) / f - 0.5f;
      t[j] = sample(tone, x, y);
      k[j] = sample(skin, x, y);
    }
    for (int j = 0; j < kRadii; ++j) {
      const bool inner = j >= 2 && j < kRadii - 2;
      const float fall = inner ? t[j - 2] - t[j + 2] : 0.f, end = inner ? k[j - 2] - k[j + 2] : 0.f;
      const float face = j >= 3 ? k[j - 3] : 0.f, off = (radius_share(j) - 1.02f) / 0.16f;
      const float contrast = clamp(fall > -0.6f * fall ? fall : -0.6f * fall, 0.f, 0.12f) / 0.12f;
      e.edge[i][j] = (contrast + 0.6f * clamp(end, 0.f, 0.5f)) * face - 0.5f * (1.f - face);
      e.total[i][j] = e.edge[i][j] - 0.35f * off * off;
    }
  }
}

// Smooths the evidence a little (3 angles, 5 radii), so that single pixels do not decide.
void soften(float (*e)[kRadii]) {
  static const float r[3] = {0.375f, 0.25f, 0.0625f};
  float t[kAngles][kRadii];
  for (int i = 0; i < kAngles; ++i)
    for (int j = 0; j < kRadii; ++j) {
      float v = r[0] * e[i][j];
      for (int d = 1; d <= 2; ++d)
        v += r[d] * (e[i][clamp_index(j - d, kRadii - 1)] + e[i][clamp_index(j + d, kRadii - 1)]);
      t[i][j] = v;
    }
  for (int i = 0; i < kAngles; ++i)
    for (int j = 0; j < kRadii; ++j)
      e[i][j] =
          0.5f * t[i][j] + 0.25f * (t[clamp_index(i - 1, kAngles - 1)][j] + t[clamp_index(i + 1, kAngles - 1)][j]);
}

void best_path(const float (*e)[kRadii], int* path) {
  float cost[2][kRadii];
  static_assert(kRadii <= 128, "int8_t steps");
  int8_t step[kAngles][kRadii];
  for (int j = 0; j < kRadii; ++j) cost[0][j] = e[0][j];
  for (int i = 1; i < kAngles; ++i) {
    const float* before = cost[(i - 1) & 1];
    for (int j = 0; j < kRadii; ++j) {
      float best = -1e9f;
      for (int d = -kReach; d <= kReach; ++d) {
        if (j + d < 0 || j + d >= kRadii) continue;
        const float c = before[j + d] - 0.02f * static_cast<float>(d * d);
        if (c > best) best = c, step[i][j] = static_cast<int8_t>(d);
      }
      cost[i & 1][j] = best + e[i][j];
    }
  }
  const float* last = cost[(kAngles - 1) & 1];
  int j = 0;
  for (int k = 1; k < kRadii; ++k)
    if (last[k] > last[j]) j = k;
  for (int i = kAngles - 1; i >= 0; --i) {
    path[i] = j;
    if (i) j += step[i][j];
  }
}

struct Stroke {
  float x[kAngles], y[kAngles], width[kAngles];
};

void trace(const Sheet& s, const Rays& rays, const Evidence& e, const int* path, Stroke& out) {
  float place[kAngles], strength[kAngles];
  for (int i = 0; i < kAngles; ++i) {
    const int j = path[i] < 1 ? 1 : (path[i] > kRadii - 2 ? kRadii - 2 : path[i]);
    const float a = e.total[i][j - 1], b = e.total[i][j], c = e.total[i][j + 1];
    const float bend = a - 2.f * b + c;
    place[i] = static_cast<float>(j) + clamp(0.5f * (a - c) / (bend < -1e-4f ? bend : -1e-4f), -0.5f, 0.5f);
    strength[i] = e.edge[i][path[i]];
  }
  const float outward = s.style.jaw_shift / (133.f * (kFar - kNear) / (kRadii - 1));  // px to steps of radius
  for (int i = 0; i < kAngles; ++i) {
    float p = 0.f, t = 0.f, sum = 0.f;
    for (int d = -6; d <= 6; ++d) {
      const int64_t k = clamp_index(i + d, kAngles - 1);
      const float w = std::exp(-0.125f * static_cast<float>(d * d));
      p += w * place[k], t += w * strength[k], sum += w;
    }
    p = clamp(p / sum + outward, 0.f, kRadii - 1.001f);
    const int j = static_cast<int>(p);
    const float r = p - static_cast<float>(j);
    out.x[i] = rays.x[i][j] + r * (rays.x[i][j + 1] - rays.x[i][j]);
    out.y[i] = rays.y[i][j] + r * (rays.y[i][j + 1] - rays.y[i][j]);
    out.width[i] = smoothstep(t / sum, s.style.jaw_low, s.style.jaw_low + 0.25f) * rays.fade[i];
  }
}

// Where ink begins at the jaw already (hair, a shadow on the neck) that edge is the line: no second one beside it.
void yield_to_ink(const Sheet& s, Stroke& k) {
  float found[kAngles];
  for (int i = 0; i < kAngles; ++i) {
    const int a = i > 0 ? i - 1 : 0, b = i < kAngles - 1 ? i + 1 : i;
    const float tx = k.x[b] - k.x[a], ty = k.y[b] - k.y[a], n = std::sqrt(tx * tx + ty * ty) + 1e-6f;
    found[i] = 0.f;
    for (int d = -3; d <= 7; ++d) {  // outwards is to the right of the direction of travel
      const float at = static_cast<float>(d) * s.pen;
      const float ink = 1.f - sample(s.work, k.x[i] + at * ty / n, k.y[i] - at * tx / n);
      found[i] = ink > found[i] ? ink : found[i];
    }
  }
  for (int i = 0; i < kAngles; ++i) {
    float sum = 0.f;
    for (int d = -2; d <= 2; ++d) sum += found[clamp_index(i + d, kAngles - 1)];
    k.width[i] *= 1.f - smoothstep(sum, 2.f, 4.5f);
  }
}

// Lowers the coverage of paper under one tapered segment.
void draw_segment(Sheet& s, const Stroke& k, int i) {
  const float half = s.style.jaw_width * s.pen, reach = half + 2.f;
  if (k.width[i] < 0.1f && k.width[i + 1] < 0.1f) return;
  const float dx = k.x[i + 1] - k.x[i], dy = k.y[i + 1] - k.y[i], n = dx * dx + dy * dy + 1e-6f;
  auto low = [&](float a, float b) { return clamp_index(static_cast<int64_t>((a < b ? a : b) - reach), s.size - 1); };
  auto high = [&](float a, float b) {
    return clamp_index(static_cast<int64_t>((a > b ? a : b) + reach + 1), s.size - 1);
  };
  for (int64_t y = low(k.y[i], k.y[i + 1]); y <= high(k.y[i], k.y[i + 1]); ++y)
    for (int64_t x = low(k.x[i], k.x[i + 1]); x <= high(k.x[i], k.x[i + 1]); ++x) {
      if (s.person[y * s.size + x] < 77) continue;
      const float px = static_cast<float>(x) - k.x[i], py = static_cast<float>(y) - k.y[i];
      const float t = clamp((px * dx + py * dy) / n, 0.f, 1.f);
      const float ex = px - t * dx, ey = py - t * dy, w = k.width[i] + t * (k.width[i + 1] - k.width[i]);
      const float cover = clamp(w * half - std::sqrt(ex * ex + ey * ey) + 0.5f, 0.f, 1.f) * clamp(3.f * w, 0.f, 1.f);
      float& paper = s.work.row(y)[x];
      paper = paper < 1.f - cover ? paper : 1.f - cover;
    }
}

}  // namespace

void jaw_line(Sheet& s) {
  const Plane tone = s.l[0], skin = s.l[1];
  reduce_rows<1>(s.size, s.factor, &tone, s.ctx, [&](int64_t y, float** rows) {
    std::memcpy(rows[0], s.tone.row(y), sizeof(float) * static_cast<size_t>(s.size));
  });
  const float sigma = 2.f * s.scale / static_cast<float>(s.factor);
  blur(tone, tone, s.l[2], sigma, s.ctx);
  blur(s.skin, skin, s.l[2], sigma, s.ctx);
  Scratch<Rays> rays(1);
  Scratch<Evidence> evidence(1);
  cast_rays(s.frame, rays[0]);
  gather(s, rays[0], tone, skin, evidence[0]);
  soften(evidence[0].total);
  int path[kAngles];
  best_path(evidence[0].total, path);
  Stroke stroke;
  trace(s, rays[0], evidence[0], path, stroke);
  yield_to_ink(s, stroke);
  for (int i = 0; i + 1 < kAngles; ++i) draw_segment(s, stroke, i);
}

}  // namespace inking
}  // namespace PA_ISA
}  // namespace pyapdraw
