// ink: which pixels are skin, on the working grid.
//   Two Gaussian classes in (log tone, two chromaticities): the skin, from patches at places that are skin on every
//   face (beside the nose, on the cheeks, the forehead), and what lies along the upper outline of the person, which
//   is mostly hair. Their log likelihood ratio, plus what the place in the face's own frame says, is a soft label.
#include "core/ink_skin_math.h"
#include "cpu/ink.h"

namespace pyapdraw {
namespace PA_ISA {
namespace inking {

namespace {

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
  static constexpr int kBins = kMedianBins;
  float low, high;
  int bins[kBins] = {}, count = 0;
  Median(float a, float b) : low(a), high(b) {}
  void add(float v) {
    ++bins[median_bin(v, low, high)];
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

struct Cells {  // chromaticity and tone of the working grid
  Plane tone, warm, yellow;
};

void reduce_colours(Sheet& s, const Tensor& pixels, const Cells& c, const Plane& person) {
  const Plane low[4] = {c.tone, c.warm, c.yellow, person};
  const int64_t n = s.full.width, sx = pixels.stride[1], sc = pixels.stride[2];
  reduce_rows<4>(s.full, s.factor, low, s.ctx, [&](int64_t y, float** rows) {
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
  each_row(s.low.height, s.ctx, [&](int64_t y) {
    float *r = c.tone.row(y), *g = c.warm.row(y), *b = c.yellow.row(y);
    for (int64_t x = 0; x < s.low.width; ++x) colour_features(&r[x], &g[x], &b[x]);
  });
}

// Hair that hangs down beside the jaw goes on below it; otherwise what is below are clothes.
void measure_long_hair(Sheet& s, const Plane& person) {
  float sum[2] = {}, count[2] = {};
  const float f = static_cast<float>(s.factor);
  for (int64_t y = 0; y < s.low.height; ++y)
    for (int64_t x = 0; x < s.low.width; ++x) {
      float u, v;
      to_template(s.frame, cell_centre(x, f), cell_centre(y, f), &u, &v);
      if (!beside_neck(u, v)) continue;
      const int k = u > 256.f;
      sum[k] += person.row(y)[x] * (1.f - s.skin.row(y)[x]);
      count[k] += 1.f;
    }
  for (int k = 0; k < 2; ++k) s.long_hair[k] = long_hair_share(sum[k], count[k]);
}

}  // namespace

void find_skin(Sheet& s, const Tensor& pixels) {
  const Cells c{s.l[0], s.l[1], s.l[2]};
  const Plane person = s.l[3], ratio = s.l[5];
  reduce_colours(s, pixels, c, person);
  const float f = static_cast<float>(s.factor);
  float places[kSkinPlaces][2];
  for (int i = 0; i < kSkinPlaces; ++i) skin_place(s.frame, i, places[i]);
  const Sizes sizes = sizes_of(s.full.width, s.full.height, s.scale, s.style.figure);
  const int64_t reach = skin_reach(sizes);
  auto each_sample = [&](auto&& g) {
    for (const auto& at : places) {
      const int64_t cx = static_cast<int64_t>(at[0] / f), cy = static_cast<int64_t>(at[1] / f);
      for (int64_t y = cy - reach; y <= cy + reach; ++y)
        for (int64_t x = cx - reach; x <= cx + reach; ++x) {
          const int64_t i = clamp_index(y, s.low.height - 1) * s.low.width + clamp_index(x, s.low.width - 1);
          g(c.tone.data[i], c.warm.data[i], c.yellow.data[i]);
        }
    }
  };
  Median tone(0.f, 1.f), warm(-1.f, 1.f), yellow(-1.f, 1.f);
  each_sample([&](float t, float w, float y) { tone.add(t), warm.add(w), yellow.add(y); });
  const float skin_tone = clamp(tone.value(), 0.05f, 1.f), w0 = warm.value(), y0 = yellow.value();

  // features in place: log tone, and the chromaticities relative to the skin's
  each_row(s.low.height, s.ctx, [&](int64_t y) {
    float *t = c.tone.row(y), *w = c.warm.row(y), *b = c.yellow.row(y);
    for (int64_t x = 0; x < s.low.width; ++x) relative_features(skin_tone, w0, y0, &t[x], &w[x], &b[x]);
  });
  Sums skin_sums, hair_sums;
  each_sample([&](float t, float w, float y) { skin_sums.add(t, w, y); });
  for (int64_t y = 0; y < s.low.height; ++y)
    for (int64_t x = 0; x < s.low.width; ++x) {
      if (person.row(y)[x] < 0.7f) continue;
      float u, v;
      to_template(s.frame, cell_centre(x, f), cell_centre(y, f), &u, &v);
      if (hair_place(u, v)) hair_sums.add(c.tone.row(y)[x], c.warm.row(y)[x], c.yellow.row(y)[x]);
    }
  const Class3 skin = skin_class(skin_sums.s, skin_sums.count), hair = hair_class(hair_sums.s, hair_sums.count, sizes);
  s.skin_tone = skin_tone;
  s.hair_tone = hair_tone(hair);
  each_row(s.low.height, s.ctx, [&](int64_t y) {
    const float *t = c.tone.row(y), *w = c.warm.row(y), *b = c.yellow.row(y);
    float* p = ratio.row(y);
    for (int64_t x = 0; x < s.low.width; ++x) p[x] = skin_odds(skin, hair, t[x], w[x], b[x]);
  });
  blur(ratio, ratio, s.l[4], 1.f * s.scale / f, s.ctx);
  each_row(s.low.height, s.ctx, [&](int64_t y) {
    const Frame frame = s.frame;  // a copy, so that stores to planes leave it alone and the loop vectorises
    const float step = static_cast<float>(s.factor), row = cell_centre(y, step);
    const float* odds = ratio.row(y);
    float* __restrict label = s.skin.row(y);
    for (int64_t x = 0; x < s.low.width; ++x) {
      float u, v;
      to_template(frame, cell_centre(x, step), row, &u, &v);
      label[x] = skin_label(odds[x], u, v);
    }
  });
  measure_long_hair(s, person);
  const float inverse = 1.f / skin_tone;
  each_row(s.full.height, s.ctx, [&](int64_t y) {
    for (int64_t x = 0; x < s.full.width; ++x) s.tone.row(y)[x] *= inverse;
  });
}

}  // namespace inking
}  // namespace PA_ISA
}  // namespace pyapdraw
