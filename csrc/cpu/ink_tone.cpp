// ink: the measurements that the ink is decided on.
//   two_tone: local contrast of strands and of locks in hair and clothes, by means weighted with "not skin", so that
//     the bright face does not darken the hair around it; after the two-tone rendering of [RL10] Rosin & Lai, Towards
//     artistic minimal rendering, NPAR 2010, with a local threshold in the place of its global one.
//   lines: difference of Gaussians of the flow-smoothed tone ([WKO12] eq. 5), and the height of its ridge nearby.
#include "core/ink_tone_math.h"
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
      std::memcpy(rows[k], sums[from[k]].row(y), sizeof(float) * static_cast<size_t>(s.low.width));
    }
  });
  const float sigma = s.style.sheen * s.scale / (4.f * static_cast<float>(s.factor));
  for (int k = 0; k < 3; ++k) blur(c[k], c[k], c[3], sigma, s.ctx);
  for (int64_t i = 0; i < cells_of(s.coarse); ++i) {
    const float tone = c[0].data[i], square = c[1].data[i];
    sheen_of(tone, square, c[2].data[i], &c[0].data[i], &c[1].data[i]);
  }
}

// From local means to what the score is made of. In the lower part of the crop, where no long hair hangs, are clothes:
// fewer strands, and black stays black.
void gains(const Sheet& s, const Plane* low) {
  const Enlarge up(s.low, 4);
  each_row(s.low.height, s.ctx, [&](int64_t y) {
    // Copies: as far as the compiler knows, a store to a plane could change the originals, and the loop would stay
    // scalar.
    const InkStyle st = s.style;
    const Frame frame = s.frame;
    const float left = s.long_hair[0], right = s.long_hair[1], f = static_cast<float>(s.factor);
    const float follow = mass_follow(st, s.hair_tone, s.skin_tone), row = cell_centre(y, f);
    Scratch<float> mix(s.coarse.width + 1), around(s.low.width), spread(s.low.width);
    up.row(s.c[0], y, mix.get(), around.get());
    up.row(s.c[1], y, mix.get(), spread.get());
    const float *near = around.get(), *scatter = spread.get();
    float* __restrict m = low[0].row(y), * __restrict v = low[1].row(y), * __restrict d = low[2].row(y);
    float* __restrict mass = s.mass.row(y);
    const float* __restrict w = low[3].row(y);
    for (int64_t x = 0; x < s.low.width; ++x) {
      float tu, tv;
      to_template(frame, cell_centre(x, f), row, &tu, &tv);
      const Gains g = gains_of(st, tu, tv, left, right, follow, m[x], v[x], d[x], w[x], near[x], scatter[x]);
      m[x] = g.lock_mean;
      v[x] = g.lock_gain;
      d[x] = g.strand_gain;
      mass[x] = g.mass;
    }
  });
}

}  // namespace

// Leaves in a: mean log tone in the strand window. Leaves on the working grid l[0]: mean log tone in the lock window,
// l[1]: gain of the locks, l[2]: gain of the strands, mass: how light or dark the surroundings are to be drawn.
void two_tone(Sheet& s) {
  const InkStyle& st = s.style;
  const Enlarge up(s.full, s.factor);
  const int64_t width = s.full.width;
  auto weights = [&](int64_t y, float* mix, float* weight) {  // person and not skin; never quite nothing
    up.row(s.skin, y, mix, weight);
    const uint8_t* p = s.person + y * width;
    for (int64_t x = 0; x < width; ++x) weight[x] = strand_weight(weight[x], p[x]);
  };
  each_row(s.full.height, s.ctx, [&](int64_t y) {
    Scratch<float> mix(s.low.width + 1);
    float *sum = s.a.row(y), *weight = s.b.row(y);
    const float* t = s.tone.row(y);
    weights(y, mix.get(), weight);
    for (int64_t x = 0; x < width; ++x) sum[x] = weight[x] * log_fast(t[x] + st.dark);
  });
  blur(s.a, s.a, s.work, st.strand * s.scale, s.ctx);
  blur(s.b, s.b, s.work, st.strand * s.scale, s.ctx);
  const Plane low[4] = {s.l[0], s.l[1], s.l[2], s.l[3]};
  reduce_rows<4>(s.full, s.factor, low, s.ctx, [&](int64_t y, float** rows) {
    Scratch<float> mix(s.low.width + 1);
    const float *t = s.tone.row(y), *f = s.flow_tone.row(y);
    float *mean = s.a.row(y), *b = s.b.row(y);
    weights(y, mix.get(), rows[3]);
    for (int64_t x = 0; x < width; ++x) {
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
  const Enlarge up(s.full, s.factor);
  const int64_t width = s.full.width;
  reduce_rows<2>(s.full, s.factor, low, s.ctx, [&](int64_t y, float** rows) {
    Scratch<float> mix(s.low.width + 1);
    up.row(s.skin, y, mix.get(), rows[1]);
    const uint8_t* p = s.person + y * width;
    const float* t = s.tone.row(y);
    for (int64_t x = 0; x < width; ++x) {
      rows[1][x] = shade_weight(rows[1][x], t[x], p[x]);
      rows[0][x] = rows[1][x] * t[x];
    }
  });
  reduce_rows<2>(s.low, 4, s.c, s.ctx, [&](int64_t y, float** rows) {
    std::memcpy(rows[0], low[0].row(y), sizeof(float) * static_cast<size_t>(s.low.width));
    std::memcpy(rows[1], low[1].row(y), sizeof(float) * static_cast<size_t>(s.low.width));
  });
  const float coarse = s.scale / (4.f * f);
  blur(s.c[0], s.c[2], s.c[4], st.shade * coarse, s.ctx);
  blur(s.c[1], s.c[3], s.c[4], st.shade * coarse, s.ctx);
  blur(s.c[0], s.c[0], s.c[4], 45.f * coarse, s.ctx);
  blur(s.c[1], s.c[1], s.c[4], 45.f * coarse, s.ctx);
  for (int64_t i = 0; i < cells_of(s.coarse); ++i) {
    const float near = s.c[2].data[i] / s.c[3].data[i], wide = s.c[0].data[i] / s.c[1].data[i];
    s.c[0].data[i] = local_tone(near, wide);
  }
  blur(s.flow_tone, s.b, s.work, st.line * s.pen, s.ctx);
  const Enlarge up_coarse(s.low, 4);
  const Plane local = s.l[4];
  each_row(s.low.height, s.ctx, [&](int64_t y) {
    Scratch<float> mix(s.coarse.width + 1);
    up_coarse.row(s.c[0], y, mix.get(), local.row(y));
  });
  // ridge height: the largest in each cell and its neighbours
  const Plane peak = s.l[5], wide = s.l[3];
  each_row(s.low.height, s.ctx, [&](int64_t i) {
    Scratch<float> row(width), mix(s.low.width + 1);
    float* p = peak.row(i);
    for (int64_t x = 0; x < s.low.width; ++x) p[x] = 0.f;
    const int64_t last = (i + 1) * s.factor < s.full.height ? (i + 1) * s.factor : s.full.height;
    for (int64_t y = i * s.factor; y < last; ++y) {
      up.row(local, y, mix.get(), row.get());
      float* d = s.b.row(y);
      const float* t = s.flow_tone.row(y);
      for (int64_t x = 0; x < width; ++x) d[x] = (d[x] - t[x]) / row[x];
      for (int64_t x = 0, cell = 0; cell < s.low.width; ++cell)
        for (int j = 0; j < s.factor && x < width; ++j, ++x) p[cell] = p[cell] > d[x] ? p[cell] : d[x];
    }
  });
  each_row(s.low.height, s.ctx, [&](int64_t y) {
    const float *a = peak.row(clamp_index(y - 1, s.low.height - 1)), *b = peak.row(y),
                *c = peak.row(clamp_index(y + 1, s.low.height - 1));
    Scratch<float> column(s.low.width + 2);
    float* q = column.get() + 1;
    for (int64_t x = 0; x < s.low.width; ++x) {
      const float m = a[x] > b[x] ? a[x] : b[x];
      q[x] = m > c[x] ? m : c[x];
    }
    q[-1] = q[0], q[s.low.width] = q[s.low.width - 1];
    float* out = wide.row(y);
    for (int64_t x = 0; x < s.low.width; ++x) {
      const float m = q[x - 1] > q[x] ? q[x - 1] : q[x];
      out[x] = m > q[x + 1] ? m : q[x + 1];
    }
  });
  blur(wide, wide, peak, 1.f * s.scale / f, s.ctx);
}

}  // namespace inking
}  // namespace PA_ISA
}  // namespace pyapdraw
