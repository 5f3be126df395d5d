// ink: the decision, csrc/cpu/ink_compose.cpp. One kernel each:
//   features  on the working grid: thresholds of brows and eyes from their histograms (a warp each, in every block),
//   and
//             the four blurs that the score and the jaw need.
//   score     a thread a pixel.
//   (flow)    the score along the flow, then a narrow blur
//   paper     the zero contour with one pixel of anti-aliasing.
// Of a whole figure also: the ink of each cell and the slope of the person's share; the ink's blur; the silhouette.
#include "cuda/blur.cuh"
#include "cuda/flow.cuh"
#include "cuda/ink_cells.cuh"

namespace pyapdraw {
namespace cuda {
namespace inking {

namespace {

constexpr int kScoreThreads = 256;

struct FeatureSource {  // 0: largest line in the cell and its neighbours, 1: person, 2: tone, 3: skin
  Sheet s;
  __device__ float at(int k, int x, int y) const {
    if (k > 0) return s.plane(k == 1 ? kPersonLow : k == 2 ? kToneLow : kSkin)[int64_t{y} * s.low_width + x];
    float peak = 0.f;
    for (int v = max(y - 1, 0); v <= min(y + 1, s.low_height - 1); ++v)
      for (int u = max(x - 1, 0); u <= min(x + 1, s.low_width - 1); ++u)
        peak = sketch::most(peak, s.plane(kPeak)[int64_t{v} * s.low_width + u]);
    return peak;
  }
};

// Warp k of the block finds the threshold of region k: brow, brow, eye, eye.
__device__ void find_threshold(const Sheet& s, float* thresholds) {
  const int k = static_cast<int>(threadIdx.x / 32);
  if (k >= 4) return;
  const float unit = 1.5f / sketch::kToneBins;
  const auto share = [&](bool light) { return k < 2 ? sketch::brow_share(light) : sketch::eye_share(light); };
  unsigned count;
  const float dark = unit * warp_quantile<sketch::kToneBins>(s.state->tones[k], share(false), &count);
  const float light = unit * warp_quantile<sketch::kToneBins>(s.state->tones[k], share(true), &count);
  if (threadIdx.x % 32 == 0)
    thresholds[k] = k < 2 ? sketch::brow_threshold(s.style, dark, light, static_cast<int>(count))
                          : sketch::eye_threshold(s.style, dark, light, static_cast<int>(count));
}

PA_KERNEL __launch_bounds__(kBlurThreads) void ink_features_kernel(Sheet s, Gaussian peak, Gaussian person,
                                                                   Gaussian jaw) {
  PA_SHARED(float, memory);
  __shared__ float thresholds[4];
  constexpr int kCount = TilePixels<kTile>::kCount;
  find_threshold(s, thresholds);
  const FeatureSource source{s};
  float v[4][kCount];
  blur_tile<kTile>(source, 0, s.low_width, s.low_height, peak, memory, v[0]);
  blur_tile<kTile>(source, 1, s.low_width, s.low_height, person, memory, v[1]);
  blur_tile<kTile>(source, 2, s.low_width, s.low_height, jaw, memory, v[2]);
  blur_tile<kTile>(source, 3, s.low_width, s.low_height, jaw, memory, v[3]);
  const sketch::Thresholds t{{thresholds[0], thresholds[1]}, {thresholds[2], thresholds[3]}};
  const TilePixels<kTile> at;
  if (at.x >= s.low_width) return;
  const Frame& frame = s.state->frame;
  const sketch::FeatureMap map = sketch::feature_map(frame);
  const float f = static_cast<float>(s.factor), px = sketch::cell_centre(at.x, f);
#pragma unroll
  for (int j = 0; j < kCount; ++j) {
    if (at.y + j >= s.low_height) break;
    const int64_t i = int64_t{at.y + j} * s.low_width + at.x;
    s.plane(kPeakWide)[i] = v[0][j];
    s.plane(kPersonWide)[i] = v[1][j];
    s.plane(kJawTone)[i] = v[2][j];
    s.plane(kJawSkin)[i] = v[3][j];
    const sketch::Features m = sketch::features_at(frame, map, px, sketch::cell_centre(at.y + j, f));
    s.plane(kThreshold)[i] = sketch::feature_threshold(s.style, t, m, px > sketch::eyes_middle(frame));
  }
}

PA_KERNEL void ink_score_kernel(Sheet s) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kScoreThreads + threadIdx.x;
  if (i >= s.full_count()) return;
  const Between b = low_between(s, static_cast<int>(i % s.width), static_cast<int>(i / s.width));
  const auto low = [&](int plane) { return enlarged(s.plane(plane), b); };
  sketch::Measures m;
  m.flow = s.flow_tone[i], m.strand_mean = s.strand[i], m.dip = s.line[i], m.person = s.person[i];
  m.skin = low(kSkin), m.lock_mean = low(kLockMean), m.lock_gain = low(kLockGain), m.strand_gain = low(kStrandGain);
  m.peak = low(kPeakWide), m.local = low(kLocal), m.threshold = low(kThreshold), m.feature = low(kFeature);
  m.near = low(kPersonWide), m.mass = low(kMass);
  m.fold = s.style.figure ? low(kFold) : 0.f;
  const float score = sketch::ink_score(s.style, m);
  s.score[i] = score;
  s.copy[i] = static_cast<int16_t>(sketch::quantised(score, sketch::kUnit));
}

struct ScoreSink {
  Sheet s;
  __device__ void put(int x, int y, const float (&v)[1]) const { s.score[int64_t{y} * s.width + x] = v[0]; }
};

// Leaves the coverage of paper, 0 (ink) .. 1, in strand.
PA_KERNEL void ink_paper_kernel(Sheet s, float edge) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kScoreThreads + threadIdx.x;
  if (i >= s.full_count()) return;
  float gx, gy;
  gradient(s.score, static_cast<int>(i % s.width), static_cast<int>(i / s.width), s.width, s.height, &gx, &gy);
  s.strand[i] = sketch::coverage(s.score[i], gx, gy, edge);
}

constexpr int kInkLow = kScratch, kInkNear = kScratch + 1, kSlope = kScratch + 2;

struct InkJob {
  static constexpr int kValues = 1, kCoarse = 0;
  __device__ static int coarse_value(int c) { return c; }
  __device__ bool idle(const Sheet&) const { return false; }
  __device__ void fill(const Sheet& s, int x, int y, float (&v)[1]) const {
    v[0] = 1.f - s.strand[int64_t{y} * s.width + x];
  }
  __device__ void put(const Sheet& s, int64_t cell, const float (&mean)[1]) const {
    s.plane(kInkLow)[cell] = mean[0];
    const int x = static_cast<int>(cell % s.low_width), y = static_cast<int>(cell / s.low_width);
    float gx, gy;
    gradient(s.plane(kPersonWide), x, y, s.low_width, s.low_height, &gx, &gy);
    s.plane(kSlope)[cell] = std::sqrt(gx * gx + gy * gy) / static_cast<float>(s.factor);
  }
};

struct InkNearSink {
  Sheet s;
  __device__ void put(int x, int y, const float (&v)[1]) const {
    s.plane(kInkNear)[int64_t{y} * s.low_width + x] = v[0];
  }
};

PA_KERNEL void ink_silhouette_kernel(Sheet s) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kScoreThreads + threadIdx.x;
  if (i >= s.full_count()) return;
  const Between b = low_between(s, static_cast<int>(i % s.width), static_cast<int>(i / s.width));
  const float ink = sketch::contour(s.style, s.pen, enlarged(s.plane(kPersonWide), b), enlarged(s.plane(kSlope), b),
                                    enlarged(s.plane(kInkNear), b));
  s.strand[i] = sketch::least(s.strand[i], 1.f - ink);
}

}  // namespace

void silhouette(const Sheet& s, const Context& ctx) {
  reduce_cells(s, InkJob{}, ctx);
  blur_tiles<1>(Planes{s.plane(kInkLow), s.low_width, s.low_count(), 1}, InkNearSink{s}, s.low_width, s.low_height, 1,
                sketch::gaussian(sketch::kContourBlur * s.pen / static_cast<float>(s.factor)), ctx);
  launch(ink_silhouette_kernel, dim3(blocks(s.full_count(), kScoreThreads)), dim3(kScoreThreads), 0, ctx, s);
}

void compose(const Sheet& s, const Context& ctx) {
  const Gaussian peak = sketch::gaussian(1.f * s.scale / static_cast<float>(s.factor));
  const Gaussian person = sketch::gaussian(3.f * s.scale / static_cast<float>(s.factor));
  const Gaussian jaw = sketch::gaussian(2.f * s.scale / static_cast<float>(s.factor));
  const size_t bytes = sizeof(float) * static_cast<size_t>(blur_floats(kTile, person.radius));
  const dim3 tiles(blocks(s.low_width, kTile), blocks(s.low_height, kTile)),
      pixels(blocks(s.full_count(), kScoreThreads));
  launch(ink_features_kernel, tiles, dim3(kBlurThreads), bytes, ctx, s, peak, person, jaw);
  launch(ink_score_kernel, pixels, dim3(kScoreThreads), 0, ctx, s);
  smooth_score(s, ctx);
  blur<1>(Planes{s.flow_tone, s.width, s.full_count(), 1}, ScoreSink{s}, s.width, s.height, 1,
          sketch::gaussian(0.5f * s.pen), s.rows, ctx);
  launch(ink_paper_kernel, pixels, dim3(kScoreThreads), 0, ctx, s, s.style.edge / s.pen);
}

}  // namespace inking
}  // namespace cuda
}  // namespace pyapdraw
