#pragma once
// ink_math.h for the stage that finds the skin.
#include "core/ink_math.h"

namespace pyapdraw {
namespace sketch {

constexpr int kMedianBins = 256;
PA_HD int median_bin(float v, float low, float high) {
  const int i = static_cast<int>((v - low) / (high - low) * kMedianBins);
  return i < 0 ? 0 : (i >= kMedianBins ? kMedianBins - 1 : i);
}

// Tone and two chromaticities from mean red, green and blue of 0..255.
PA_HD void colour_features(float* a, float* b, float* c) {
  const float red = *a / 255, green = *b / 255, blue = *c / 255, sum = red + green + blue + 0.08f;
  *a = 0.3f * red + 0.6f * green + 0.1f * blue;
  *b = (red - green) / sum;
  *c = (green - blue) / sum;
}

// The same relative to those of the skin.
PA_HD void relative_features(float skin_tone, float skin_warm, float skin_yellow, float* t, float* w, float* y) {
  *t = log_fast(*t / skin_tone + 0.12f);
  *w = 4.f * (*w - skin_warm);
  *y = 4.f * (*y - skin_yellow);
}

struct Class3 {  // a Gaussian in three features: mean, inverse covariance (upper triangle), log determinant
  float mean[3], inverse[6], log_det;
};

// sum: of the three features and of their six products. The covariance counts with `share`, plus `ridge`.
PA_HD Class3 class_of(const double* sum, double count, double ridge0, double ridge12, double share) {
  Class3 k;
  double m[3], c[6];
  for (int i = 0; i < 3; ++i) m[i] = sum[i] / count;
  for (int i = 0, n = 0; i < 3; ++i)
    for (int j = i; j < 3; ++j, ++n)
      c[n] = share * (sum[3 + n] / count - m[i] * m[j]) + (i == j ? (i ? ridge12 : ridge0) : 0.0);
  const double d00 = c[3] * c[5] - c[4] * c[4], d01 = c[2] * c[4] - c[1] * c[5], d02 = c[1] * c[4] - c[2] * c[3];
  const double det = c[0] * d00 + c[1] * d01 + c[2] * d02;
  const double inv[6] = {
      d00, d01, d02, c[0] * c[5] - c[2] * c[2], c[1] * c[2] - c[0] * c[4], c[0] * c[3] - c[1] * c[1]};
  for (int i = 0; i < 3; ++i) k.mean[i] = static_cast<float>(m[i]);
  for (int i = 0; i < 6; ++i) k.inverse[i] = static_cast<float>(inv[i] / det);
  k.log_det = static_cast<float>(std::log(det));
  return k;
}
PA_HD Class3 skin_class(const double* sum, double count) { return class_of(sum, count, 0.0256, 0.0144, 0.5); }
PA_HD Class3 hair_class(const double* sum, double count, const Sizes& s) {
  const float f = static_cast<float>(s.factor);
  if (count * f * f > 300.0 * s.scale * s.scale) return class_of(sum, count, 0.0225, 0.01, 1.0);
  const double none[9] = {std::log(0.3)};  // nothing above or beside the face: expect dark hair
  return class_of(none, 1.0, 0.09, 0.04, 0.0);
}
PA_HD float hair_tone(const Class3& hair) { return clamp(std::exp(hair.mean[0]) - 0.12f, 0.02f, 2.f); }

PA_HD float surprise(const Class3& k, float a, float b, float c) {  // -2 log likelihood, without the constant
  a -= k.mean[0], b -= k.mean[1], c -= k.mean[2];
  return a * (k.inverse[0] * a + 2.f * (k.inverse[1] * b + k.inverse[2] * c)) +
         b * (k.inverse[3] * b + 2.f * k.inverse[4] * c) + k.inverse[5] * c * c + k.log_det;
}
PA_HD float skin_odds(const Class3& skin, const Class3& hair, float t, float w, float y) {
  return clamp(0.5f * (surprise(hair, t, w, y) - surprise(skin, t, w, y)), -4.f, 4.f);
}

// The seven places where skin is sampled, in crop px.
PA_HD void skin_place(const Frame& f, int which, float* at) {
  const auto& p = f.at;
  float mid[2], down[2];
  for (int k = 0; k < 2; ++k) {
    mid[k] = 0.5f * (p[0][k] + p[1][k]);
    down[k] = (0.5f * (p[3][k] + p[4][k]) - mid[k]) / 124.f;  // one template px downwards
  }
  const float side[2] = {down[1], -down[0]};
  for (int k = 0; k < 2; ++k) {
    if (which == 0) at[k] = 0.45f * p[0][k] + 0.55f * p[3][k];
    if (which == 1) at[k] = 0.45f * p[1][k] + 0.55f * p[4][k];
    if (which == 2) at[k] = 0.8f * mid[k] + 0.2f * p[2][k];
    if (which == 3) at[k] = 0.4f * mid[k] + 0.6f * p[2][k];
    if (which == 4) at[k] = mid[k] - 70.f * down[k];
    if (which == 5) at[k] = 0.6f * p[0][k] + 0.4f * p[3][k] - 10.f * side[k];
    if (which == 6) at[k] = 0.6f * p[1][k] + 0.4f * p[4][k] + 10.f * side[k];
  }
}
constexpr int kSkinPlaces = 7;
PA_HD int64_t skin_reach(const Sizes& s) {
  return static_cast<int64_t>(9.f * s.scale / static_cast<float>(s.factor) + 0.5f);
}

// Where hair is sampled: along the upper outline of the person.
PA_HD bool hair_place(float u, float v) { return v < 330.f && ellipse(u, v, 256.f, 305.f, 132.f, 165.f) > 1.18f; }

// What the place says: log odds of skin from the frame of the face.
PA_HD float skin_prior(float u, float v) {
  const float face = ellipse(u, v, 256.f, 305.f, 132.f, 165.f);
  float odds = 4.f * (1.f - smoothstep(face, 0.72f, 1.12f)) -
               3.f * smoothstep(face, 1.f, 1.45f) * (1.f - smoothstep(v, 380.f, 430.f));
  const float neck = -3.f + 7.5f * inside(ellipse(u, v, 256.f, 470.f, 95.f, 80.f), 0.25f);
  odds = odds > neck ? odds : neck;
  return odds + 6.f * inside(ellipse(u, v, 256.f, 325.f, 100.f, 118.f), 0.3f);
}
PA_HD float skin_label(float odds, float u, float v) { return smoothstep(odds + skin_prior(u, v), -3.2f, 3.2f); }

// Hair that hangs down beside the jaw goes on below it; otherwise what is below are clothes.
PA_HD bool beside_neck(float u, float v) {
  const float beside = std::fabs(u - 256.f);
  return !(v < 380.f || v > 425.f || beside < 105.f || beside > 190.f);
}
PA_HD float long_hair_share(float sum, float count) { return smoothstep(sum / (count + 1.f), 0.15f, 0.5f); }

}  // namespace sketch
}  // namespace pyapdraw
