// ink: the decision. Every pixel gets a score, negative = ink, from the two-tone of hair and clothes, the tone and the
// lines of the skin, and the line around the person, mixed by how much each applies. The score's zero contour is then
// drawn with one pixel of anti-aliasing: coverage = 1/2 + score / |gradient of the score|.
#include "cpu/ink.h"

namespace pyapdraw {
namespace PA_ISA {
namespace inking {

FeatureMap::FeatureMap(const Frame& frame) : f(&frame) {
  const auto& p = frame.at;
  const float dx = p[1][0] - p[0][0], dy = p[1][1] - p[0][1];
  ax = dx / frame.eye_px;
  ay = dy / frame.eye_px;
  inverse_scale = 110.f / frame.eye_px;
  mouth_x = 0.5f * (p[3][0] + p[4][0]);
  mouth_y = 0.5f * (p[3][1] + p[4][1]);
  const float mx = p[4][0] - p[3][0], my = p[4][1] - p[3][1];
  mouth_wide = clamp(std::sqrt(mx * mx + my * my) * inverse_scale / 98.f, 0.5f, 1.6f);
}

Features FeatureMap::at(float x, float y) const {
  Features m{};
  if (std::fabs(x - f->at[2][0]) > 1.5f * f->eye_px || std::fabs(y - f->at[2][1]) > 1.5f * f->eye_px) return m;
  auto local = [&](float cx, float cy, float* u, float* v) {
    const float dx = x - cx, dy = y - cy;
    *u = (dx * ax + dy * ay) * inverse_scale;
    *v = (dy * ax - dx * ay) * inverse_scale;
  };
  float u, v;
  for (int k = 0; k < 2; ++k) {
    local(f->at[k][0], f->at[k][1], &u, &v);
    const float e = inside(ellipse(u, v, 0.f, 0.f, 36.f, 15.f), 0.3f);
    m.eye = e > m.eye ? e : m.eye;
    const float out = k ? u : -u;  // outwards
    m.brow[k] = inside(ellipse(out, v, 4.f, -31.f + 0.003f * u * u, 52.f, 20.f), 0.25f);
  }
  local(mouth_x, mouth_y, &u, &v);
  m.lip = inside(ellipse(u, v, 0.f, 4.f, 56.f * mouth_wide, 24.f), 0.25f);
  local(f->at[2][0], f->at[2][1], &u, &v);
  m.nose = inside(ellipse(u, v, 0.f, 2.f, 34.f, 24.f), 0.3f);
  m.nostril = inside(ellipse(u, v, 0.f, 9.f, 24.f, 9.f), 0.4f);
  return m;
}

namespace {

constexpr int kToneBins = 128;

// Tones of a region, relative to the local skin, as a histogram.
struct Tones {
  int bins[kToneBins] = {}, count = 0;
  void add(float v) {
    const int i = static_cast<int>(v * (kToneBins / 1.5f));
    ++bins[i < 0 ? 0 : (i >= kToneBins ? kToneBins - 1 : i)];
    ++count;
  }
  float quantile(float share) const {  // linear inside a bin, so that it moves smoothly under noise
    const float target = share * static_cast<float>(count);
    float below = 0.f;
    for (int i = 0; i < kToneBins; ++i) {
      const float here = static_cast<float>(bins[i]);
      if (here > 0.f && below + here >= target)
        return (static_cast<float>(i) + (target - below) / here) * (1.5f / kToneBins);
      below += here;
    }
    return 1.5f;
  }
};

struct Thresholds {
  float brow[2], eye[2];
};

// Brows are light on some and dark on others, irises too: their thresholds lie between the dark and the light tones
// that each region has.
Thresholds feature_thresholds(const Sheet& s, const FeatureMap& map, const Plane& relative) {
  Tones brow[2], eye[2];
  const float f = static_cast<float>(s.factor), middle = 0.5f * (s.frame.at[0][0] + s.frame.at[1][0]);
  for (int64_t y = 0; y < s.low; ++y)
    for (int64_t x = 0; x < s.low; ++x) {
      const float px = (static_cast<float>(x) + 0.5f) * f - 0.5f, py = (static_cast<float>(y) + 0.5f) * f - 0.5f;
      const float dx = px - s.frame.at[0][0], dy = py - s.frame.at[0][1];
      if (std::fabs(dx) > 2.f * s.frame.eye_px || std::fabs(dy) > s.frame.eye_px) continue;
      if (s.skin.row(y)[x] < 0.3f) continue;
      const Features m = map.at(px, py);
      for (int k = 0; k < 2; ++k)
        if (m.brow[k] > 0.6f) brow[k].add(relative.row(y)[x]);
      if (m.eye > 0.6f) eye[px > middle].add(relative.row(y)[x]);
    }
  const InkStyle& st = s.style;
  Thresholds t{};
  for (int k = 0; k < 2; ++k) {
    const float b0 = brow[k].quantile(0.12f), b1 = brow[k].quantile(0.8f);
    t.brow[k] = brow[k].count > 12 ? clamp(b0 + st.brow_share * (b1 - b0), 0.5f, st.brow_most) : 0.7f;
    const float e0 = eye[k].quantile(0.06f), e1 = eye[k].quantile(0.7f);
    t.eye[k] = eye[k].count > 12 ? clamp(e0 + st.eye_share * (e1 - e0), 0.3f, 0.8f) : 0.5f;
  }
  return t;
}

// Leaves on the working grid l[5]: threshold of the skin's tone, l[6]: how much a feature is near, l[7]: person, wide.
void feature_planes(Sheet& s) {
  const InkStyle& st = s.style;
  const FeatureMap map(s.frame);
  const Plane flow = s.l[7];
  reduce_rows<1>(s.size, s.factor, &flow, s.ctx, [&](int64_t y, float** rows) {
    std::memcpy(rows[0], s.flow_tone.row(y), sizeof(float) * static_cast<size_t>(s.size));
  });
  for (int64_t i = 0; i < s.low * s.low; ++i) flow.data[i] /= s.l[4].data[i];
  const Thresholds t = feature_thresholds(s, map, flow);
  const float middle = 0.5f * (s.frame.at[0][0] + s.frame.at[1][0]);
  const float f = static_cast<float>(s.factor);
  each_row(s.low, s.ctx, [&](int64_t y) {
    for (int64_t x = 0; x < s.low; ++x) {
      const float px = (static_cast<float>(x) + 0.5f) * f - 0.5f, py = (static_cast<float>(y) + 0.5f) * f - 0.5f;
      const Features m = map.at(px, py);
      float add = m.eye * (t.eye[px > middle] - st.skin_dark) + st.nostril_dark * m.nostril + st.lip_dark * m.lip;
      for (int k = 0; k < 2; ++k) {
        const float b = m.brow[k] * (t.brow[k] - st.skin_dark);
        add = add > b ? add : b;
      }
      s.l[5].row(y)[x] = st.skin_dark + add;
      s.l[6].row(y)[x] = m.any();
    }
  });
  const Plane person = s.l[7];
  reduce_rows<1>(s.size, s.factor, &person, s.ctx, [&](int64_t y, float** rows) {
    const uint8_t* p = s.person + y * s.size;
    for (int64_t x = 0; x < s.size; ++x) rows[0][x] = static_cast<float>(p[x]) * (1.f / 255);
  });
  blur(person, person, s.spare, 3.f * s.scale / f, s.ctx);
}

struct Rows {  // one full-size row of everything the decision needs
  Scratch<float> memory;
  float *skin, *lock_mean, *lock_gain, *strand_gain, *peak, *local, *threshold, *feature, *near, *mass, *mix;
  explicit Rows(const Sheet& s) : memory(10 * s.size + s.low + 1) {
    float** all[10] = {&skin, &lock_mean, &lock_gain, &strand_gain, &peak, &local, &threshold, &feature, &near, &mass};
    for (int i = 0; i < 10; ++i) *all[i] = memory.get() + i * s.size;
    mix = memory.get() + 10 * s.size;
  }
  void take(const Sheet& s, const Enlarge& up, int64_t y) {
    up.row(s.skin, y, mix, skin);
    up.row(s.l[0], y, mix, lock_mean);
    up.row(s.l[1], y, mix, lock_gain);
    up.row(s.l[2], y, mix, strand_gain);
    up.row(s.l[3], y, mix, peak);
    up.row(s.l[4], y, mix, local);
    up.row(s.l[5], y, mix, threshold);
    up.row(s.l[6], y, mix, feature);
    up.row(s.l[7], y, mix, near);
    up.row(s.mass, y, mix, mass);
  }
};

inline float least(float a, float b) { return a < b ? a : b; }
inline float most(float a, float b) { return a > b ? a : b; }

void score_row(const Sheet& s, const Rows& r, int64_t y, float* __restrict out) {
  const InkStyle& st = s.style;
  const float *flow = s.flow_tone.row(y), *strand_mean = s.a.row(y), *dip = s.b.row(y);
  const uint8_t* person = s.person + y * s.size;
  const float slope = 2.f / st.line_low;
  for (int64_t x = 0; x < s.size; ++x) {
    // hair and clothes: strands within locks within masses
    const float m = strand_mean[x];
    const float hair_score =
        (log_fast(flow[x] + st.dark) - m) * r.strand_gain[x] + (m - r.lock_mean[x]) * r.lock_gain[x] + r.mass[x];
    // skin: dark tones, and lines as thin as their ridge
    const float tone_score = (flow[x] / r.local[x] - r.threshold[x]) * 10.f;
    const float low = st.line_low * (1.f + (st.line_feature - 1.f) * r.feature[x]);
    const float thin = (st.line_thin - dip[x] / most(r.peak[x], 0.001f)) * (1.f / 0.3f);
    const float line_score = most((low - dip[x]) * slope, thin);
    const float skin_score = clamp(least(tone_score, line_score), -2.f, 2.f);
    float score = r.skin[x] * skin_score + (1.f - r.skin[x]) * clamp(hair_score, -2.f, 2.f);
    // beyond the person: its outline only
    const float in = smoothstep(static_cast<float>(person[x]) * (1.f / 255), st.person_low, st.person_high);
    const float outline = clamp(most((1.2f * st.line_low - dip[x]) * slope, thin), -2.f, 2.f);
    score = in * score + (1.f - in) * (r.near[x] > 0.12f ? outline : 2.f);
    out[x] = score;
  }
}

}  // namespace

// Leaves the coverage of paper, 0 (ink) .. 1, in work.
void compose(Sheet& s) {
  feature_planes(s);
  const Enlarge up(s.size, s.factor);
  parallel_for(s.size, kBand, s.ctx, [&](int64_t begin, int64_t end) {
    Rows rows(s);
    for (int64_t y = begin; y < end; ++y) {
      rows.take(s, up, y);
      score_row(s, rows, y, s.score.row(y));
    }
  });
  smooth_along_flow(s, s.score, s.b, s.style.flow_score);
  blur(s.b, s.score, s.work, 0.5f * s.pen, s.ctx);
  const float edge = s.style.edge / s.pen;
  parallel_for(s.size, kBand, s.ctx, [&](int64_t begin, int64_t end) {
    Scratch<float> gx(s.size), gy(s.size);
    for (int64_t y = begin; y < end; ++y) {
      gradient_row(s.score, y, gx.get(), gy.get());
      const float* score = s.score.row(y);
      float* paper = s.work.row(y);
      for (int64_t x = 0; x < s.size; ++x)
        paper[x] = clamp(0.5f + score[x] / (std::sqrt(gx[x] * gx[x] + gy[x] * gy[x]) + edge), 0.f, 1.f);
    }
  });
}

}  // namespace inking
}  // namespace PA_ISA
}  // namespace pyapdraw
