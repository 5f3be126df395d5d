#pragma once
// ink_math.h for the stages from the tones to the drawing: two tones, lines, features, score, specks.
#include "core/ink_math.h"

namespace pyapdraw {
namespace sketch {

// Person and not skin; never quite nothing.
PA_HD float strand_weight(float skin, float person) { return (1.f - skin) * (0.04f + person * (1.f / 255)) + 0.001f; }
// What counts for the local tone of the skin: dark brows, hair or clothes do not.
PA_HD float shade_weight(float skin, float tone, float person) {
  return skin * smoothstep(tone, 0.3f, 0.6f) * person * (1.f / 255) + 0.0001f;
}
PA_HD float local_tone(float near, float wide) {
  const float t = 0.6f * near + 0.4f * wide;
  return t > 0.2f ? t : 0.2f;
}

// Mean and inverse deviation of the log tone around a lock.
PA_HD void sheen_of(float tone, float square, float weight, float* mean, float* scatter) {
  *mean = tone / weight;
  const float variance = square / weight - *mean * *mean;
  *scatter = 1.f / std::sqrt((variance > 0.f ? variance : 0.f) + 0.04f);
}

// How much a place (u, v) is clothes: in the lower part of the crop, where no long hair hangs.
PA_HD float cloth_share(const InkStyle& st, float u, float v, float left_hair, float right_hair) {
  const float side = smoothstep(u, 196.f, 316.f);
  float hair = left_hair + side * (right_hair - left_hair);
  if (st.figure)  // hair ends above the waist, and hangs near the neck
    hair *= (1.f - smoothstep(v, 560.f, 680.f)) * (1.f - smoothstep(std::fabs(u - 256.f), 190.f, 280.f));
  return smoothstep(v, 400.f, 470.f) * (1.f - hair);
}

struct Gains {
  float lock_mean, lock_gain, strand_gain, mass;
};
// What the score of hair and clothes is made of, from weighted local sums. Clothes have fewer strands, and black stays
// black.
PA_HD Gains gains_of(const InkStyle& st, float u, float v, float left_hair, float right_hair, float follow, float tone,
                     float square, float detail, float weight, float around, float scatter) {
  const float cloth = cloth_share(st, u, v, left_hair, right_hair);
  const float share = 1.f / weight, mean = tone * share, variance = square * share - mean * mean;
  const float limit = st.mass_most + 2.f * cloth;
  float middle = st.mass + follow * (1.f - cloth);
  if (st.figure) middle += cloth * (st.cloth_mass - st.mass);
  Gains g;
  g.lock_mean = mean;
  g.lock_gain = st.lock_gain / std::sqrt((variance > 0.f ? variance : 0.f) + st.lock_noise * st.lock_noise);
  g.strand_gain = (1.f - cloth * (1.f - st.cloth_share)) * st.strand_gain /
                  std::sqrt(detail * share + st.strand_noise * st.strand_noise);
  g.mass = clamp(st.mass_gain * (mean - middle), -limit, limit) +
           (1.f - cloth) * st.sheen_gain * clamp((mean - around) * scatter, -2.f, 2.f);
  return g;
}
// How far the tone that parts black masses from white ones is moved for the hair. hair_tone: relative to skin_tone.
PA_HD float mass_follow(const InkStyle& st, float hair_tone, float skin_tone) {
  const float above = log_fast(hair_tone + st.dark) - st.mass, usual = st.hair_share * clamp(above, -1.5f, 0.5f);
  if (!st.light_hair) return usual;
  const float step = st.light_step;
  const float light = smoothstep(hair_tone, st.light - step, st.light + step) *
                      smoothstep(hair_tone * skin_tone, st.light_least - step, st.light_least + step);
  return usual + light * (least(0.f, above - st.light_below) - usual);
}

// --- compose -----------------------------------------------------------------------------------------------------

// Regions of the features in the frame of the eyes: how much a pixel belongs to each.
struct Features {
  float eye, brow[2], lip, nose, nostril;
};
PA_HD float any_feature(const Features& f) {
  return most(most(most(most(f.eye, f.lip), f.nose), f.brow[0]), f.brow[1]);
}

struct FeatureMap {  // constants of the crop, so that a pixel costs a few ellipses
  float ax, ay, inverse_scale, mouth_x, mouth_y, mouth_wide;
};
PA_HD FeatureMap feature_map(const Frame& f) {
  const auto& p = f.at;
  FeatureMap m;
  m.ax = (p[1][0] - p[0][0]) / f.eye_px;
  m.ay = (p[1][1] - p[0][1]) / f.eye_px;
  m.inverse_scale = 110.f / f.eye_px;
  m.mouth_x = 0.5f * (p[3][0] + p[4][0]);
  m.mouth_y = 0.5f * (p[3][1] + p[4][1]);
  const float mx = p[4][0] - p[3][0], my = p[4][1] - p[3][1];
  m.mouth_wide = clamp(std::sqrt(mx * mx + my * my) * m.inverse_scale / 98.f, 0.5f, 1.6f);
  return m;
}

PA_HD Features features_at(const Frame& f, const FeatureMap& map, float x, float y) {
  Features m{};
  if (std::fabs(x - f.at[2][0]) > 1.5f * f.eye_px || std::fabs(y - f.at[2][1]) > 1.5f * f.eye_px) return m;
  auto local = [&](float cx, float cy, float* u, float* v) {
    const float dx = x - cx, dy = y - cy;
    *u = (dx * map.ax + dy * map.ay) * map.inverse_scale;
    *v = (dy * map.ax - dx * map.ay) * map.inverse_scale;
  };
  float u, v;
  for (int k = 0; k < 2; ++k) {
    local(f.at[k][0], f.at[k][1], &u, &v);
    m.eye = most(inside(ellipse(u, v, 0.f, 0.f, 36.f, 15.f), 0.3f), m.eye);
    const float out = k ? u : -u;  // outwards
    m.brow[k] = inside(ellipse(out, v, 4.f, -31.f + 0.003f * u * u, 52.f, 20.f), 0.25f);
  }
  local(map.mouth_x, map.mouth_y, &u, &v);
  m.lip = inside(ellipse(u, v, 0.f, 4.f, 56.f * map.mouth_wide, 24.f), 0.25f);
  local(f.at[2][0], f.at[2][1], &u, &v);
  m.nose = inside(ellipse(u, v, 0.f, 2.f, 34.f, 24.f), 0.3f);
  m.nostril = inside(ellipse(u, v, 0.f, 9.f, 24.f, 9.f), 0.4f);
  return m;
}

// Histogram of the tones of a region, relative to the local skin.
constexpr int kToneBins = 128;
PA_HD int tone_bin(float v) {
  const int i = static_cast<int>(v * (kToneBins / 1.5f));
  return i < 0 ? 0 : (i >= kToneBins ? kToneBins - 1 : i);
}
PA_HD bool near_eyes(const Frame& f, float x, float y) {
  return !(std::fabs(x - f.at[0][0]) > 2.f * f.eye_px || std::fabs(y - f.at[0][1]) > f.eye_px);
}
PA_HD float eyes_middle(const Frame& f) { return 0.5f * (f.at[0][0] + f.at[1][0]); }

// Brows are light on some and dark on others, irises too: their thresholds lie between the dark and the light tones
// that each region has.
struct Thresholds {
  float brow[2], eye[2];
};
PA_HD float brow_share(bool light) { return light ? 0.8f : 0.12f; }  // of a region: its light tone, its dark one
PA_HD float eye_share(bool light) { return light ? 0.7f : 0.06f; }
PA_HD float brow_threshold(const InkStyle& st, float dark, float light, int count) {
  return count > 12 ? clamp(dark + st.brow_share * (light - dark), 0.5f, st.brow_most) : 0.7f;
}
PA_HD float eye_threshold(const InkStyle& st, float dark, float light, int count) {
  return count > 12 ? clamp(dark + st.eye_share * (light - dark), 0.3f, 0.8f) : 0.5f;
}
PA_HD float feature_threshold(const InkStyle& st, const Thresholds& t, const Features& m, bool right) {
  float add =
      m.eye * ((right ? t.eye[1] : t.eye[0]) - st.skin_dark) + st.nostril_dark * m.nostril + st.lip_dark * m.lip;
  for (int k = 0; k < 2; ++k) add = most(add, m.brow[k] * (t.brow[k] - st.skin_dark));
  return st.skin_dark + add;
}

// What makes the dip of a line, which is relative to the skin's tone there, relative to that of the clothes; 0 where
// there are none. lock_mean: their mean log tone.
PA_HD float fold_gain(const InkStyle& st, float cloth, float local, float lock_mean) {
  return st.figure ? cloth * local * std::exp(-lock_mean) : 0.f;
}

struct Measures {  // of one pixel, all that its score is made of
  float flow, strand_mean, dip, person;
  float skin, lock_mean, lock_gain, strand_gain, peak, local, threshold, feature, near, mass, fold;
};
PA_HD float ink_score(const InkStyle& st, const Measures& p) {
  const float slope = 2.f / st.line_low;
  // hair and clothes: strands within locks within masses
  const float m = p.strand_mean;
  float hair_score = (log_fast(p.flow + st.dark) - m) * p.strand_gain + (m - p.lock_mean) * p.lock_gain + p.mass;
  // skin: dark tones, and lines as thin as their ridge
  const float tone_score = (p.flow / p.local - p.threshold) * 10.f;
  const float low = st.line_low * (1.f + (st.line_feature - 1.f) * p.feature);
  const float thin = (st.line_thin - p.dip / most(p.peak, 0.001f)) * (1.f / 0.3f);
  const float line_score = most((low - p.dip) * slope, thin);
  if (st.figure) hair_score = least(hair_score, most((st.fold_low - p.dip * p.fold) * (2.f / st.fold_low), thin));
  const float skin_score = clamp(least(tone_score, line_score), -2.f, 2.f);
  const float score = p.skin * skin_score + (1.f - p.skin) * clamp(hair_score, -2.f, 2.f);
  // beyond the person: its outline only
  const float in = smoothstep(p.person * (1.f / 255), st.person_low, st.person_high);
  const float outline = clamp(most((1.2f * st.line_low - p.dip) * slope, thin), -2.f, 2.f);
  return in * score + (1.f - in) * (p.near > st.around ? outline : 2.f);
}
constexpr float kLeastHalf = 0.8f;    // of a silhouette's width, px: thinner ones would be grey or gone
constexpr float kContourBlur = 1.5f;  // of the ink that counts as nearby, px of the pen
// Coverage of ink, 0 .. 1, of the silhouette where the person's share, blurred, is `near` and rises by `slope` a px.
// ink: the share of ink nearby.
PA_HD float contour(const InkStyle& st, float pen, float near, float slope, float ink) {
  const float from = std::fabs(near - 0.5f) / (slope + 1e-6f);
  const float shows = 1.f - smoothstep(ink, st.contour_low, st.contour_high);
  const float half = most(0.5f * st.contour_width * pen, kLeastHalf);
  return clamp(half * shows - from + 0.5f, 0.f, 1.f) * clamp(3.f * shows, 0.f, 1.f);
}
// Coverage of paper, 0 (ink) .. 1, of a pixel whose score has this gradient.
PA_HD float coverage(float score, float gx, float gy, float edge) {
  return clamp(0.5f + score / (std::sqrt(gx * gx + gy * gy) + edge), 0.f, 1.f);
}

// --- specks ------------------------------------------------------------------------------------------------------

constexpr uint8_t kGrey = 176;      // darker pixels belong to a stroke
constexpr uint8_t kNearBlack = 64;  // lighter pixels belong to a hole
constexpr uint8_t kInk = 128;       // darker pixels count as its area
constexpr int kPlainUnit = 256;

// How much a cell is plain skin, where freckles and pores are, or clothes, whose folds are long: 0 .. kPlainUnit.
PA_HD uint32_t plain_share(float skin, float feature, float fold) {
  return static_cast<uint32_t>(clamp(most(skin * (1.f - feature), fold), 0.f, 1.f) * kPlainUnit + 0.5f);
}
// Areas of at least this many px stay whatever they lie on.
PA_HD float speck_limit(const InkStyle& st, float pen) { return pen * pen * (st.speck + st.spot); }
// Whether an area of ink is no stroke. plain: the sum of plain_share over it.
PA_HD bool is_speck(const InkStyle& st, float pen, uint32_t area, uint32_t plain) {
  const float share = static_cast<float>(plain) * (1.f / kPlainUnit) / (static_cast<float>(area) + 1e-6f);
  return static_cast<float>(area) < pen * pen * (st.speck + st.spot * share);
}
PA_HD bool is_pinhole(const InkStyle& st, float pen, uint32_t area) {
  return static_cast<float>(area) < st.pinhole * (pen * pen);
}

}  // namespace sketch
}  // namespace pyapdraw
