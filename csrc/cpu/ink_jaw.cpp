// ink: the jaw line, which is drawn even where its contrast is too low for the other lines.
//   The lower face is unrolled into polar coordinates about its middle; the best closed-up path from ear to ear
//   through the chin is found by dynamic programming over (tone edge, end of the skin, nearness to the usual jaw),
//   smoothed, and drawn as a tapered stroke where the evidence along it is strong enough.
#include "core/ink_jaw_math.h"
#include "cpu/ink.h"

namespace pyapdraw {
namespace PA_ISA {
namespace inking {

namespace {

Ray ray_of(const Sheet& s, int i) { return jaw_ray(s.frame, std::sin(jaw_angle(i)), std::cos(jaw_angle(i))); }

struct Evidence {
  float edge[kAngles][kRadii], total[kAngles][kRadii];
};

void gather(const Sheet& s, const Plane& tone, const Plane& skin, Evidence& e) {
  const float f = static_cast<float>(s.factor);
  for (int i = 0; i < kAngles; ++i) {
    const Ray ray = ray_of(s, i);
    float t[kRadii], k[kRadii];
    for (int j = 0; j < kRadii; ++j) {
      float x, y;
      jaw_point(s.frame, ray, j, &x, &y);
      x = (x + 0.5f) / f - 0.5f, y = (y + 0.5f) / f - 0.5f;
      t[j] = sample(tone.data, tone.w, tone.h, x, y);
      k[j] = sample(skin.data, skin.w, skin.h, x, y);
    }
    for (int j = 0; j < kRadii; ++j) jaw_evidence(t, k, j, &e.edge[i][j], &e.total[i][j]);
  }
}

void soften(float (*e)[kRadii]) {
  float t[kAngles][kRadii];
  for (int i = 0; i < kAngles; ++i)
    for (int j = 0; j < kRadii; ++j) t[i][j] = soft_radius(e[i], j);
  for (int i = 0; i < kAngles; ++i)
    for (int j = 0; j < kRadii; ++j)
      e[i][j] = soft_angle(t[clamp_index(i - 1, kAngles - 1)][j], t[i][j], t[clamp_index(i + 1, kAngles - 1)][j]);
}

void best_path(const float (*e)[kRadii], int* path) {
  float cost[2][kRadii];
  static_assert(kRadii <= 128, "int8_t steps");
  int8_t step[kAngles][kRadii];
  for (int j = 0; j < kRadii; ++j) cost[0][j] = e[0][j];
  for (int i = 1; i < kAngles; ++i)
    for (int j = 0; j < kRadii; ++j) cost[i & 1][j] = best_before(cost[(i - 1) & 1], j, &step[i][j]) + e[i][j];
  const float* last = cost[(kAngles - 1) & 1];
  int j = 0;
  for (int k = 1; k < kRadii; ++k)
    if (last[k] > last[j]) j = k;
  for (int i = kAngles - 1; i >= 0; --i) {
    path[i] = j;
    if (i) j += step[i][j];
  }
}

void trace(const Sheet& s, const Evidence& e, const int* path, StrokePoint* out) {
  float place[kAngles], strength[kAngles];
  for (int i = 0; i < kAngles; ++i) {
    place[i] = jaw_place(e.total[i], path[i]);
    strength[i] = e.edge[i][path[i]];
  }
  for (int i = 0; i < kAngles; ++i) out[i] = jaw_stroke(s.style, s.frame, ray_of(s, i), i, place, strength);
}

// Where ink begins at the jaw already (hair, a shadow on the neck) that edge is the line: no second one beside it.
void yield_to_ink(const Sheet& s, StrokePoint* k) {
  float found[kAngles];
  for (int i = 0; i < kAngles; ++i) found[i] = ink_nearby(k, i, s.work.data, s.full, s.pen);
  for (int i = 0; i < kAngles; ++i) k[i].width *= jaw_share(found, i);
}

// Lowers the coverage of paper under one tapered segment.
void draw_segment(Sheet& s, const StrokePoint& a, const StrokePoint& b) {
  if (!segment_shows(a, b)) return;
  const float half = s.style.jaw_width * s.pen;
  const Span span = segment_span(a, b, half, s.full);
  for (int64_t y = span.y0; y <= span.y1; ++y)
    for (int64_t x = span.x0; x <= span.x1; ++x) {
      if (s.person[y * s.full.width + x] < kJawPerson) continue;
      float& paper = s.work.row(y)[x];
      paper = least(paper, 1.f - segment_cover(a, b, half, x, y));
    }
}

}  // namespace

void jaw_line(Sheet& s) {
  const Plane tone = s.l[0], skin = s.l[1];
  reduce_rows<1>(s.full, s.factor, &tone, s.ctx, [&](int64_t y, float** rows) {
    std::memcpy(rows[0], s.tone.row(y), sizeof(float) * static_cast<size_t>(s.full.width));
  });
  const float sigma = 2.f * s.scale / static_cast<float>(s.factor);
  blur(tone, tone, s.l[2], sigma, s.ctx);
  blur(s.skin, skin, s.l[2], sigma, s.ctx);
  Scratch<Evidence> evidence(1);
  gather(s, tone, skin, evidence[0]);
  soften(evidence[0].total);
  int path[kAngles];
  best_path(evidence[0].total, path);
  StrokePoint stroke[kAngles];
  trace(s, evidence[0], path, stroke);
  yield_to_ink(s, stroke);
  for (int i = 0; i + 1 < kAngles; ++i) draw_segment(s, stroke[i], stroke[i + 1]);
}

}  // namespace inking
}  // namespace PA_ISA
}  // namespace pyapdraw
