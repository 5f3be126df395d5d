// ink: which pixels are skin, on the working grid.
//   Two Gaussian classes in (log tone, two chromaticities): the skin, from patches at places that are skin on every
//   face (beside the nose, on the cheeks, the forehead), and what lies along the upper outline of the person, which
//   is mostly hair. Their log likelihood ratio, plus what the place in the face's own frame says, is a soft label.
#include "cpu/ink.h"

namespace pyapdraw {
namespace PA_ISA {
namespace inking {

namespace {

struct Class3 {  // a Gaussian in three features: mean, inverse covariance (upper triangle), log determinant
  float mean[3], inverse[6], log_det;
  void set(const double* sum, double count, const double* ridge, double share) {
    double m[3], c[6];
    for (int i = 0; i < 3; ++i) m[i] = sum[i] / count;
    for (int i = 0, k = 0; i < 3; ++i)
      for (int j = i; j < 3; ++j, ++k) c[k] = share * (sum[3 + k] / count - m[i] * m[j]) + (i == j ? ridge[i] : 0.0);
    const double d00 = c[3] * c[5] - c[4] * c[4], d01 = c[2] * c[4] - c[1] * c[5], d02 = c[1] * c[4] - c[2] * c[3];
    const double det = c[0] * d00 + c[1] * d01 + c[2] * d02;
    const double inv[6] = {
        d00, d01, d02, c[0] * c[5] - c[2] * c[2], c[1] * c[2] - c[0] * c[4], c[0] * c[3] - c[1] * c[1]};
    for (int i = 0; i < 3; ++i) mean[i] = static_cast<float>(m[i]);
    for (int i = 0; i < 6; ++i) inverse[i] = static_cast<float>(inv[i] / det);
    log_det = static_cast<float>(std::log(det));
  }
  float surprise(float a, float b, float c) const {  // -2 log likelihood, without the constant
    a -= mean[0], b -= mean[1], c -= mean[2];
    return a * (inverse[0] * a + 2.f * (inverse[1] * b + inverse[2] * c)) +
           b * (inverse[3] * b + 2.f * inverse[4] * c) + inverse[5] * c * c + log_det;
  }
};

struct Sums {
  double s[9] = {}, count = 0;
  void add(float a, float b, float c) {
    const double v[3] = {a, b, c};
    for (int i = 0, k = 0; i < 3; ++i) {
      s[i] += v[i];
      for (int j = i; j < 3; ++j, ++k) s[3 + k] += v[i] * v[j];
    }
    count += 1;
  }
};

// Median from a histogram over [low, high], linear inside its bin: it moves smoothly under noise.
struct Median {
  static constexpr int kBins = 256;
  float low, high;
  int bins[kBins] = {}, count = 0;
  Median(float a, float b) : low(a), high(b) {}
  void add(float v) {
    const int i = static_cast<int>((v - low) / (high - low) * kBins);
    ++bins[i < 0 ? 0 : (i >= kBins ? kBins - 1 : i)];
    ++count;
  }
  float value(float share = 0.5f) const {
    const float target = share * static_cast<float>(count);
    float below = 0.f;
    for (int i = 0; i < kBins; ++i) {
      const float here = static_cast<float>(bins[i]);
      if (here > 0.f && below + here >= target)
        return low + (high - low) * (static_cast<float>(i) + (target - below) / here) / kBins;
      below += here;
    }
    return high;
  }
};

// The places where skin is sampled, in crop px.
void skin_places(const Frame& f, float (*at)[2]) {
  const auto& p = f.at;
  const float mid[2] = {0.5f * (p[0][0] + p[1][0]), 0.5f * (p[0][1] + p[1][1])};
  const float mouth[2] = {0.5f * (p[3][0] + p[4][0]), 0.5f * (p[3][1] + p[4][1])};
  const float down[2] = {(mouth[0] - mid[0]) / 124.f, (mouth[1] - mid[1]) / 124.f};  // one template px downwards
  const float side[2] = {down[1], -down[0]};
  for (int k = 0; k < 2; ++k) {
    at[0][k] = 0.45f * p[0][k] + 0.55f * p[3][k];
    at[1][k] = 0.45f * p[1][k] + 0.55f * p[4][k];
    at[2][k] = 0.8f * mid[k] + 0.2f * p[2][k];
    at[3][k] = 0.4f * mid[k] + 0.6f * p[2][k];
    at[4][k] = mid[k] - 70.f * down[k];
    at[5][k] = 0.6f * p[0][k] + 0.4f * p[3][k] - 10.f * side[k];
    at[6][k] = 0.6f * p[1][k] + 0.4f * p[4][k] + 10.f * side[k];
  }
}

struct Cells {  // chromaticity and tone of the working grid
  Plane tone, warm, yellow;
};

void reduce_colours(Sheet& s, const Tensor& pixels, const Cells& c, const Plane& person) {
  const Plane low[4] = {c.tone, c.warm, c.yellow, person};
  const int64_t n = s.size, sx = pixels.stride[1], sc = pixels.stride[2];
  reduce_rows<4>(n, s.factor, low, s.ctx, [&](int64_t y, float** rows) {
    const uint8_t* p = pixels.as<uint8_t>() + y * pixels.stride[0];
    if (sx == 3 && sc == 1)
      for (int64_t x = 0; x < n; ++x) rows[0][x] = p[3 * x], rows[1][x] = p[3 * x + 1], rows[2][x] = p[3 * x + 2];
    else
      for (int64_t x = 0; x < n; ++x)
        rows[0][x] = p[x * sx], rows[1][x] = p[x * sx + sc], rows[2][x] = p[x * sx + 2 * sc];
    const uint8_t* m = s.person + y * n;
    for (int64_t x = 0; x < n; ++x) rows[3][x] = static_cast<float>(m[x]) * (1.f / 255);
  });
  const float sigma = 0.8f * s.scale / static_cast<float>(s.factor);
  for (int k = 0; k < 3; ++k) blur(low[k], low[k], s.l[4], sigma, s.ctx);
  each_row(s.low, s.ctx, [&](int64_t y) {
    float *r = c.tone.row(y), *g = c.warm.row(y), *b = c.yellow.row(y);
    for (int64_t x = 0; x < s.low; ++x) {
      const float red = r[x] / 255, green = g[x] / 255, blue = b[x] / 255, sum = red + green + blue + 0.08f;
      r[x] = 0.3f * red + 0.6f * green + 0.1f * blue;
      g[x] = (red - green) / sum;
      b[x] = (green - blue) / sum;
    }
  });
}

// What the place says: log odds of skin from the frame of the face.
inline float prior(float u, float v) {
  const float face = ellipse(u, v, 256.f, 305.f, 132.f, 165.f);
  float odds = 4.f * (1.f - smoothstep(face, 0.72f, 1.12f)) -
               3.f * smoothstep(face, 1.f, 1.45f) * (1.f - smoothstep(v, 380.f, 430.f));
  const float neck = -3.f + 7.5f * inside(ellipse(u, v, 256.f, 470.f, 95.f, 80.f), 0.25f);
  odds = odds > neck ? odds : neck;
  return odds + 6.f * inside(ellipse(u, v, 256.f, 325.f, 100.f, 118.f), 0.3f);
}

// Hair that hangs down beside the jaw goes on below it; otherwise what is below are clothes.
void measure_long_hair(Sheet& s, const Plane& person) {
  float sum[2] = {}, count[2] = {};
  const float f = static_cast<float>(s.factor);
  for (int64_t y = 0; y < s.low; ++y)
    for (int64_t x = 0; x < s.low; ++x) {
      float u, v;
      s.frame.to_template((static_cast<float>(x) + 0.5f) * f - 0.5f, (static_cast<float>(y) + 0.5f) * f - 0.5f, &u, &v);
      const float beside = std::fabs(u - 256.f);
      if (v < 380.f || v > 425.f || beside < 105.f || beside > 190.f) continue;
      const int k = u > 256.f;
      sum[k] += person.row(y)[x] * (1.f - s.skin.row(y)[x]);
      count[k] += 1.f;
    }
  for (int k = 0; k < 2; ++k) s.long_hair[k] = smoothstep(sum[k] / (count[k] + 1.f), 0.15f, 0.5f);
}

}  // namespace

void find_skin(Sheet& s, const Tensor& pixels) {
  const Cells c{s.l[0], s.l[1], s.l[2]};
  const Plane person = s.l[3], ratio = s.l[5];
  reduce_colours(s, pixels, c, person);
  const float f = static_cast<float>(s.factor);
  float places[7][2];
  skin_places(s.frame, places);
  const int64_t reach = static_cast<int64_t>(9.f * s.scale / f + 0.5f);
  auto each_sample = [&](auto&& g) {
    for (const auto& at : places) {
      const int64_t cx = static_cast<int64_t>(at[0] / f), cy = static_cast<int64_t>(at[1] / f);
      for (int64_t y = cy - reach; y <= cy + reach; ++y)
        for (int64_t x = cx - reach; x <= cx + reach; ++x) {
          const int64_t i = clamp_index(y, s.low - 1) * s.low + clamp_index(x, s.low - 1);
          g(c.tone.data[i], c.warm.data[i], c.yellow.data[i]);
        }
    }
  };
  Median tone(0.f, 1.f), warm(-1.f, 1.f), yellow(-1.f, 1.f);
  each_sample([&](float t, float w, float y) { tone.add(t), warm.add(w), yellow.add(y); });
  const float skin_tone = clamp(tone.value(), 0.05f, 1.f), w0 = warm.value(), y0 = yellow.value();

  // features in place: log tone, and the chromaticities relative to the skin's
  each_row(s.low, s.ctx, [&](int64_t y) {
    float *t = c.tone.row(y), *w = c.warm.row(y), *b = c.yellow.row(y);
    for (int64_t x = 0; x < s.low; ++x) {
      t[x] = log_fast(t[x] / skin_tone + 0.12f);
      w[x] = 4.f * (w[x] - w0);
      b[x] = 4.f * (b[x] - y0);
    }
  });
  Sums skin_sums, hair_sums;
  each_sample([&](float t, float w, float y) { skin_sums.add(t, w, y); });
  for (int64_t y = 0; y < s.low; ++y)
    for (int64_t x = 0; x < s.low; ++x) {
      if (person.row(y)[x] < 0.7f) continue;
      float u, v;
      s.frame.to_template((static_cast<float>(x) + 0.5f) * f - 0.5f, (static_cast<float>(y) + 0.5f) * f - 0.5f, &u, &v);
      if (v < 330.f && ellipse(u, v, 256.f, 305.f, 132.f, 165.f) > 1.18f)
        hair_sums.add(c.tone.row(y)[x], c.warm.row(y)[x], c.yellow.row(y)[x]);
    }
  Class3 skin, hair;
  const double skin_ridge[3] = {0.0256, 0.0144, 0.0144}, hair_ridge[3] = {0.0225, 0.01, 0.01};
  skin.set(skin_sums.s, skin_sums.count, skin_ridge, 0.5);
  if (hair_sums.count * f * f > 300.0 * s.scale * s.scale) {
    hair.set(hair_sums.s, hair_sums.count, hair_ridge, 1.0);
  } else {  // nothing above or beside the face: expect dark hair
    const double none[9] = {std::log(0.3)}, wide[3] = {0.09, 0.04, 0.04};
    hair.set(none, 1.0, wide, 0.0);
  }
  s.hair_tone = clamp(std::exp(hair.mean[0]) - 0.12f, 0.02f, 2.f);
  each_row(s.low, s.ctx, [&](int64_t y) {
    const float *t = c.tone.row(y), *w = c.warm.row(y), *b = c.yellow.row(y);
    float* p = ratio.row(y);
    for (int64_t x = 0; x < s.low; ++x)
      p[x] = clamp(0.5f * (hair.surprise(t[x], w[x], b[x]) - skin.surprise(t[x], w[x], b[x])), -4.f, 4.f);
  });
  blur(ratio, ratio, s.l[4], 1.f * s.scale / f, s.ctx);
  each_row(s.low, s.ctx, [&](int64_t y) {
    const Frame frame = s.frame;  // a copy, so that stores to planes leave it alone and the loop vectorises
    const float step = static_cast<float>(s.factor), row = (static_cast<float>(y) + 0.5f) * step - 0.5f;
    const float* odds = ratio.row(y);
    float* __restrict label = s.skin.row(y);
    for (int64_t x = 0; x < s.low; ++x) {
      float u, v;
      frame.to_template((static_cast<float>(x) + 0.5f) * step - 0.5f, row, &u, &v);
      label[x] = smoothstep(odds[x] + prior(u, v), -3.2f, 3.2f);
    }
  });
  measure_long_hair(s, person);
  const float inverse = 1.f / skin_tone;
  each_row(s.size, s.ctx, [&](int64_t y) {
    for (int64_t x = 0; x < s.size; ++x) s.tone.row(y)[x] *= inverse;
  });
}

}  // namespace inking
}  // namespace PA_ISA
}  // namespace pyapdraw
