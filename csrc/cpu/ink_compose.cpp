// ink: the decision. Every pixel gets a score, negative = ink, from the two-tone of hair and clothes, the tone and the
// lines of the skin, and the line around the person, mixed by how much each applies. The score's zero contour is then
// drawn with one pixel of anti-aliasing: coverage = 1/2 + score / |gradient of the score|.
#include "core/ink_tone_math.h"
#include "cpu/ink.h"

namespace pyapdraw {
namespace PA_ISA {
namespace inking {

namespace {

// Tones of a region, relative to the local skin, as a histogram.
struct Tones {
  int bins[kToneBins] = {}, count = 0;
  void add(float v) {
    ++bins[tone_bin(v)];
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

// Brows are light on some and dark on others, irises too: see Thresholds.
Thresholds feature_thresholds(const Sheet& s, const FeatureMap& map, const Plane& relative) {
  Tones brow[2], eye[2];
  const float f = static_cast<float>(s.factor), middle = eyes_middle(s.frame);
  for (int64_t y = 0; y < s.low.height; ++y)
    for (int64_t x = 0; x < s.low.width; ++x) {
      const float px = cell_centre(x, f), py = cell_centre(y, f);
      if (!near_eyes(s.frame, px, py)) continue;
      if (s.skin.row(y)[x] < 0.3f) continue;
      const Features m = features_at(s.frame, map, px, py);
      for (int k = 0; k < 2; ++k)
        if (m.brow[k] > 0.6f) brow[k].add(relative.row(y)[x]);
      if (m.eye > 0.6f) eye[px > middle].add(relative.row(y)[x]);
    }
  const InkStyle& st = s.style;
  Thresholds t{};
  for (int k = 0; k < 2; ++k) {
    t.brow[k] =
        brow_threshold(st, brow[k].quantile(brow_share(false)), brow[k].quantile(brow_share(true)), brow[k].count);
    t.eye[k] = eye_threshold(st, eye[k].quantile(eye_share(false)), eye[k].quantile(eye_share(true)), eye[k].count);
  }
  return t;
}

// Leaves on the working grid l[5]: threshold of the skin's tone, l[6]: how much a feature is near, l[7]: person, wide.
void feature_planes(Sheet& s) {
  const InkStyle& st = s.style;
  const FeatureMap map = feature_map(s.frame);
  const Plane flow = s.l[7];
  reduce_rows<1>(s.full, s.factor, &flow, s.ctx, [&](int64_t y, float** rows) {
    std::memcpy(rows[0], s.flow_tone.row(y), sizeof(float) * static_cast<size_t>(s.full.width));
  });
  for (int64_t i = 0; i < cells_of(s.low); ++i) flow.data[i] /= s.l[4].data[i];
  const Thresholds t = feature_thresholds(s, map, flow);
  const float middle = eyes_middle(s.frame);
  const float f = static_cast<float>(s.factor);
  each_row(s.low.height, s.ctx, [&](int64_t y) {
    for (int64_t x = 0; x < s.low.width; ++x) {
      const float px = cell_centre(x, f), py = cell_centre(y, f);
      const Features m = features_at(s.frame, map, px, py);
      s.l[5].row(y)[x] = feature_threshold(st, t, m, px > middle);
      s.l[6].row(y)[x] = any_feature(m);
      float u, v;
      to_template(s.frame, px, py, &u, &v);
      const float cloth = cloth_share(st, u, v, s.long_hair[0], s.long_hair[1]);
      s.fold.row(y)[x] = fold_gain(st, cloth, s.l[4].row(y)[x], s.l[0].row(y)[x]);
    }
  });
  const Plane person = s.l[7];
  reduce_rows<1>(s.full, s.factor, &person, s.ctx, [&](int64_t y, float** rows) {
    const uint8_t* p = s.person + y * s.full.width;
    for (int64_t x = 0; x < s.full.width; ++x) rows[0][x] = static_cast<float>(p[x]) * (1.f / 255);
  });
  blur(person, person, s.spare, 3.f * s.scale / f, s.ctx);
}

struct Rows {  // one full-size row of everything the decision needs
  Scratch<float> memory;
  float *skin, *lock_mean, *lock_gain, *strand_gain, *peak, *local, *threshold, *feature, *near, *mass, *fold, *mix;
  explicit Rows(const Sheet& s) : memory(11 * s.full.width + s.low.width + 1) {
    float** all[11] = {&skin,      &lock_mean, &lock_gain, &strand_gain, &peak, &local,
                       &threshold, &feature,   &near,      &mass,        &fold};
    for (int i = 0; i < 11; ++i) *all[i] = memory.get() + i * s.full.width;
    mix = memory.get() + 11 * s.full.width;
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
    if (s.style.figure) up.row(s.fold, y, mix, fold);
  }
};

template <bool kFigure>
void score_row(const Sheet& s, const Rows& r, int64_t y, float* __restrict out) {
  InkStyle st = s.style;
  st.figure = kFigure;  // known to the compiler
  const float *flow = s.flow_tone.row(y), *strand_mean = s.a.row(y), *dip = s.b.row(y);
  const int64_t width = s.full.width;
  const uint8_t* person = s.person + y * width;
  for (int64_t x = 0; x < width; ++x)
    out[x] = ink_score(st, {flow[x], strand_mean[x], dip[x], static_cast<float>(person[x]), r.skin[x], r.lock_mean[x],
                            r.lock_gain[x], r.strand_gain[x], r.peak[x], r.local[x], r.threshold[x], r.feature[x],
                            r.near[x], r.mass[x], kFigure ? r.fold[x] : 0.f});
}

}  // namespace

// Leaves the coverage of paper, 0 (ink) .. 1, in work.
void compose(Sheet& s) {
  feature_planes(s);
  const Enlarge up(s.full, s.factor);
  parallel_for(s.full.height, kBand, s.ctx, [&](int64_t begin, int64_t end) {
    Rows rows(s);
    for (int64_t y = begin; y < end; ++y) {
      rows.take(s, up, y);
      (s.style.figure ? score_row<true> : score_row<false>)(s, rows, y, s.score.row(y));
    }
  });
  smooth_along_flow(s, s.score, s.b, s.style.flow_score);
  blur(s.b, s.score, s.work, 0.5f * s.pen, s.ctx);
  const float edge = s.style.edge / s.pen;
  parallel_for(s.full.height, kBand, s.ctx, [&](int64_t begin, int64_t end) {
    Scratch<float> gx(s.full.width), gy(s.full.width);
    for (int64_t y = begin; y < end; ++y) {
      gradient_row(s.score, y, gx.get(), gy.get());
      const float* score = s.score.row(y);
      float* paper = s.work.row(y);
      for (int64_t x = 0; x < s.full.width; ++x) paper[x] = coverage(score[x], gx[x], gy[x], edge);
    }
  });
}

// A stroke along the person's outline where the drawing has no ink near it. Uses l[0] to l[3].
void silhouette(Sheet& s) {
  const Plane ink = s.l[0], slope = s.l[1], near = s.l[7];
  const float f = static_cast<float>(s.factor);
  reduce_rows<1>(s.full, s.factor, &ink, s.ctx, [&](int64_t y, float** rows) {
    const float* paper = s.work.row(y);
    for (int64_t x = 0; x < s.full.width; ++x) rows[0][x] = 1.f - paper[x];
  });
  blur(ink, ink, s.l[2], kContourBlur * s.pen / f, s.ctx);
  each_row(s.low.height, s.ctx, [&](int64_t y) {
    float *gx = s.l[2].row(y), *gy = s.l[3].row(y), *to = slope.row(y);
    gradient_row(near, y, gx, gy);
    for (int64_t x = 0; x < s.low.width; ++x) to[x] = std::sqrt(gx[x] * gx[x] + gy[x] * gy[x]) / f;
  });
  const Enlarge up(s.full, s.factor);
  parallel_for(s.full.height, kBand, s.ctx, [&](int64_t begin, int64_t end) {
    const InkStyle st = s.style;
    const float pen = s.pen;
    Scratch<float> mix(s.low.width + 1), at(s.full.width), rise(s.full.width), there(s.full.width);
    for (int64_t y = begin; y < end; ++y) {
      up.row(near, y, mix.get(), at.get());
      up.row(slope, y, mix.get(), rise.get());
      up.row(ink, y, mix.get(), there.get());
      float* paper = s.work.row(y);
      for (int64_t x = 0; x < s.full.width; ++x)
        paper[x] = least(paper[x], 1.f - contour(st, pen, at[x], rise[x], there[x]));
    }
  });
}

}  // namespace inking
}  // namespace PA_ISA
}  // namespace pyapdraw
