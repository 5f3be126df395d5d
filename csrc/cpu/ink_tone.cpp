// ink: the measurements that the ink is decided on.
//   two_tone: local contrast of strands and of locks in hair and clothes, by means weighted with "not skin", so that
//     the bright face does not darken the hair around it; after the two-tone rendering of [RL10] Rosin & Lai, Towards
//     artistic minimal rendering, NPAR 2010, with a local threshold in the place of its global one.
//   lines: difference of Gaussians of the flow-smoothed tone ([WKO12] eq. 5), and the height of its ridge nearby.
#include "cpu/ink.h"

namespace pyapdraw {
namespace PA_ISA {
namespace inking {

namespace {

// How much brighter a lock is than the hair around it, in its standard deviations: mean and mean square of the log
// tone in a window much wider than a lock, on the coarse grid. sums: weighted tone, weighted square, weight.
void find_sheen(Sheet& s, const Plane* sums) {
  const Plane* c = s.c;
  reduce_rows<3>(s.low, 4, c, s.ctx, [&](int64_t y, float** rows) {
    for (int k = 0; k < 3; ++k) {
      const int from[3] = {0, 1, 3};
      std::memcpy(rows[k], sums[from[k]].row(y), sizeof(float) * static_cast<size_t>(s.low));
    }
  });
  const float sigma = s.style.sheen * s.scale / (4.f * static_cast<float>(s.factor));
  for (int k = 0; k < 3; ++k) blur(c[k], c[k], c[3], sigma, s.ctx);
  for (int64_t i = 0; i < s.coarse * s.coarse; ++i) {
    const float mean = c[0].data[i] / c[2].data[i], variance = c[1].data[i] / c[2].data[i] - mean * mean;
    c[0].data[i] = mean;
    c[1].data[i] = 1.f / std::sqrt((variance > 0.f ? variance : 0.f) + 0.04f);
  }
}

// From local means to what the score is made of. In the lower part of the crop, where no long hair hangs, are clothes:
// fewer strands, and black stays black.
void gains(const Sheet& s, const Plane* low) {
  const Enlarge up(s.low, 4);
  const float tone = log_fast(s.hair_tone + s.style.dark);
  each_row(s.low, s.ctx, [&](int64_t y) {
    // Copies: as far as the compiler knows, a store to a plane could change the originals, and the loop would stay
    // scalar.
    const InkStyle st = s.style;
    const Frame frame = s.frame;
    const float left = s.long_hair[0], right = s.long_hair[1], f = static_cast<float>(s.factor);
    const float follow = st.hair_share * clamp(tone - st.mass, -1.5f, 0.5f),
                row = (static_cast<float>(y) + 0.5f) * f - 0.5f;
    Scratch<float> mix(s.coarse + 1), around(s.low), spread(s.low);
    up.row(s.c[0], y, mix.get(), around.get());
    up.row(s.c[1], y, mix.get(), spread.get());
    const float *near = around.get(), *scatter = spread.get();
    float* __restrict m = low[0].row(y), * __restrict v = low[1].row(y), * __restrict d = low[2].row(y);
    float* __restrict mass = s.mass.row(y);
    const float* __restrict w = low[3].row(y);
    for (int64_t x = 0; x < s.low; ++x) {
      float tu, tv;
      frame.to_template((static_cast<float>(x) + 0.5f) * f - 0.5f, row, &tu, &tv);
      const float side = smoothstep(tu, 196.f, 316.f);
      const float hair = left + side * (right - left);
      const float cloth = smoothstep(tv, 400.f, 470.f) * (1.f - hair);
      const float share = 1.f / w[x], mean = m[x] * share, variance = v[x] * share - mean * mean;
      const float limit = st.mass_most + 2.f * cloth, middle = st.mass + follow * (1.f - cloth);
      m[x] = mean;
      v[x] = st.lock_gain / std::sqrt((variance > 0.f ? variance : 0.f) + st.lock_noise * st.lock_noise);
      d[x] = (1.f - cloth * (1.f - st.cloth_share)) * st.strand_gain /
             std::sqrt(d[x] * share + st.strand_noise * st.strand_noise);
      mass[x] = clamp(st.mass_gain * (mean - middle), -limit, limit) +
                (1.f - cloth) * st.sheen_gain * clamp((mean - near[x]) * scatter[x], -2.f, 2.f);
    }
  });
}

}  // namespace

// Leaves in a: mean log tone in the strand window. Leaves on the working grid l[0]: mean log tone in the lock window,
// l[1]: gain of the locks, l[2]: gain of the strands, mass: how light or dark the surroundings are to be drawn.
void two_tone(Sheet& s) {
  const InkStyle& st = s.style;
  const Enlarge up(s.size, s.factor);
  auto weights = [&](int64_t y, float* mix, float* weight) {  // person and not skin; never quite nothing
    up.row(s.skin, y, mix, weight);
    const uint8_t* p = s.person + y * s.size;
    for (int64_t x = 0; x < s.size; ++x)
      weight[x] = (1.f - weight[x]) * (0.02f + static_cast<float>(p[x]) * (1.f / 255)) + 0.001f;
  };
  each_row(s.size, s.ctx, [&](int64_t y) {
    Scratch<float> mix(s.low + 1);
    float *sum = s.a.row(y), *weight = s.b.row(y);
    const float* t = s.tone.row(y);
    weights(y, mix.get(), weight);
    for (int64_t x = 0; x < s.size; ++x) sum[x] = weight[x] * log_fast(t[x] + st.dark);
  });
  blur(s.a, s.a, s.work, st.strand * s.scale, s.ctx);
  blur(s.b, s.b, s.work, st.strand * s.scale, s.ctx);
  const Plane low[4] = {s.l[0], s.l[1], s.l[2], s.l[3]};
  reduce_rows<4>(s.size, s.factor, low, s.ctx, [&](int64_t y, float** rows) {
    Scratch<float> mix(s.low + 1);
    const float *t = s.tone.row(y), *f = s.flow_tone.row(y);
    float *mean = s.a.row(y), *b = s.b.row(y);
    weights(y, mix.get(), rows[3]);
    for (int64_t x = 0; x < s.size; ++x) {
      const float m = mean[x] / b[x], h = log_fast(t[x] + st.dark), w = rows[3][x];
      const float d = log_fast(f[x] + st.dark) - m;
      mean[x] = m;
      rows[0][x] = w * h;
      rows[1][x] = w * h * h;
      rows[2][x] = w * d * d;
    }
  });
  const float sigma = st.lock * s.scale / static_cast<float>(s.factor);
  find_sheen(s, low);
  for (int k = 0; k < 4; ++k) blur(low[k], low[k], s.l[4], sigma, s.ctx);
  gains(s, low);
}

// Leaves in b: wide Gaussian minus the tone (positive on dark lines), relative to the skin around; l[3]: the height
// of its ridges nearby; c[0]: local tone of the skin.
void lines(Sheet& s) {
  const InkStyle& st = s.style;
  const float f = static_cast<float>(s.factor);
  // local tone of skin, on the coarse grid
  const Plane low[2] = {s.l[4], s.l[5]};
  const Enlarge up(s.size, s.factor);
  reduce_rows<2>(s.size, s.factor, low, s.ctx, [&](int64_t y, float** rows) {
    Scratch<float> mix(s.low + 1);
    up.row(s.skin, y, mix.get(), rows[1]);
    const uint8_t* p = s.person + y * s.size;
    const float* t = s.tone.row(y);
    for (int64_t x = 0; x < s.size; ++x) {
      const float lit = smoothstep(t[x], 0.3f, 0.6f);  // dark brows, hair or clothes are not the skin's tone
      rows[1][x] = rows[1][x] * lit * static_cast<float>(p[x]) * (1.f / 255) + 0.0001f;
      rows[0][x] = rows[1][x] * t[x];
    }
  });
  reduce_rows<2>(s.low, 4, s.c, s.ctx, [&](int64_t y, float** rows) {
    std::memcpy(rows[0], low[0].row(y), sizeof(float) * static_cast<size_t>(s.low));
    std::memcpy(rows[1], low[1].row(y), sizeof(float) * static_cast<size_t>(s.low));
  });
  const float coarse = s.scale / (4.f * f);
  blur(s.c[0], s.c[2], s.c[4], st.shade * coarse, s.ctx);
  blur(s.c[1], s.c[3], s.c[4], st.shade * coarse, s.ctx);
  blur(s.c[0], s.c[0], s.c[4], 45.f * coarse, s.ctx);
  blur(s.c[1], s.c[1], s.c[4], 45.f * coarse, s.ctx);
  for (int64_t i = 0; i < s.coarse * s.coarse; ++i) {
    const float near = s.c[2].data[i] / s.c[3].data[i], wide = s.c[0].data[i] / s.c[1].data[i];
    const float t = 0.6f * near + 0.4f * wide;
    s.c[0].data[i] = t > 0.2f ? t : 0.2f;
  }
  blur(s.flow_tone, s.b, s.work, st.line * s.pen, s.ctx);
  const Enlarge up_coarse(s.low, 4);
  const Plane local = s.l[4];
  each_row(s.low, s.ctx, [&](int64_t y) {
    Scratch<float> mix(s.coarse + 1);
    up_coarse.row(s.c[0], y, mix.get(), local.row(y));
  });
  // ridge height: the largest in each cell and its neighbours
  const Plane peak = s.l[5], wide = s.l[3];
  each_row(s.low, s.ctx, [&](int64_t i) {
    Scratch<float> row(s.size), mix(s.low + 1);
    float* p = peak.row(i);
    for (int64_t x = 0; x < s.low; ++x) p[x] = 0.f;
    const int64_t last = (i + 1) * s.factor < s.size ? (i + 1) * s.factor : s.size;
    for (int64_t y = i * s.factor; y < last; ++y) {
      up.row(local, y, mix.get(), row.get());
      float* d = s.b.row(y);
      const float* t = s.flow_tone.row(y);
      for (int64_t x = 0; x < s.size; ++x) d[x] = (d[x] - t[x]) / row[x];
      for (int64_t x = 0, cell = 0; cell < s.low; ++cell)
        for (int j = 0; j < s.factor && x < s.size; ++j, ++x) p[cell] = p[cell] > d[x] ? p[cell] : d[x];
    }
  });
  each_row(s.low, s.ctx, [&](int64_t y) {
    const float *a = peak.row(clamp_index(y - 1, s.low - 1)), *b = peak.row(y),
                *c = peak.row(clamp_index(y + 1, s.low - 1));
    Scratch<float> column(s.low + 2);
    float* q = column.get() + 1;
    for (int64_t x = 0; x < s.low; ++x) {
      const float m = a[x] > b[x] ? a[x] : b[x];
      q[x] = m > c[x] ? m : c[x];
    }
    q[-1] = q[0], q[s.low] = q[s.low - 1];
    float* out = wide.row(y);
    for (int64_t x = 0; x < s.low; ++x) {
      const float m = q[x - 1] > q[x] ? q[x - 1] : q[x];
      out[x] = m > q[x + 1] ? m : q[x + 1];
    }
  });
  blur(wide, wide, peak, 1.f * s.scale / f, s.ctx);
}

}  // namespace inking
}  // namespace PA_ISA
}  // namespace pyapdraw
