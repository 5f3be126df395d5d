// ink: the measurements that the ink is decided on: csrc/cpu/ink_tone.cpp. One kernel each:
//   strands   blur of the weighted log tone at full size.
//   measures  everything that is reduced to the working grid, in one reading of the pixels (ink_cells.cuh).
//   sheen     seven blurs of the coarse grid, a block 16 x 16 cells: sheen, and the local tone of the skin.
//   locks     four blurs of the working grid; ends with the gains, and counts the tones of brows and eyes.
//   lines     difference of Gaussians at full size, relative to the skin; the largest of each cell by atomic maximum.
#include "cuda/blur.cuh"
#include "cuda/ink_cells.cuh"

namespace pyapdraw {
namespace cuda {
namespace inking {

namespace {

constexpr int kCoarseTile = 16;

struct StrandSource {
  Sheet s;
  __device__ float at(int k, int x, int y) const {
    const int64_t i = int64_t{y} * s.width + x;
    const float w = sketch::strand_weight(enlarged(s.plane(kSkin), low_between(s, x, y)), s.person[i]);
    return k ? w : w * sketch::log_fast(tone_at(s, i) + s.style.dark);
  }
};
struct StrandSink {
  Sheet s;
  __device__ void put(int x, int y, const float (&v)[2]) const { s.strand[int64_t{y} * s.width + x] = v[0] / v[1]; }
};

struct MeasuresJob {
  static constexpr int kValues = 9, kCoarse = 5;
  __device__ static constexpr int coarse_value(int c) { return c < 2 ? c : c + 1; }  // all but the detail
  __device__ bool idle(const Sheet&) const { return false; }
  __device__ void fill(const Sheet& s, int x, int y, float (&v)[9]) const {
    const int64_t i = int64_t{y} * s.width + x;
    const float t = tone_at(s, i), flow = s.flow_tone[i], person = s.person[i];
    const float skin = enlarged(s.plane(kSkin), low_between(s, x, y));
    const float w = sketch::strand_weight(skin, person), h = sketch::log_fast(t + s.style.dark);
    const float d = sketch::log_fast(flow + s.style.dark) - s.strand[i], lit = sketch::shade_weight(skin, t, person);
    v[0] = w * h, v[1] = w * h * h, v[2] = w * d * d, v[3] = w;
    v[4] = lit * t, v[5] = lit;
    v[6] = flow, v[7] = person * (1.f / 255), v[8] = t;
  }
  __device__ void put(const Sheet& s, int64_t cell, const float (&mean)[9]) const {
    for (int k = 0; k < 4; ++k) s.plane(kLockSums + k)[cell] = mean[k];
    for (int k = 6; k < 9; ++k) s.plane(kFlowLow + k - 6)[cell] = mean[k];
  }
};

// Coarse planes: 0 to 4 as reduced; 5, 6 sheen's mean and scatter, 7 the skin's local tone.
PA_KERNEL __launch_bounds__(kBlurThreads) void ink_sheen_kernel(Sheet s, Gaussian sheen, Gaussian wide_shade,
                                                                Gaussian near_shade) {
  PA_SHARED(float, memory);
  const Planes planes{s.coarse_plane(0), s.coarse_width, s.coarse_count(), 5};
  float v[7][1];
#pragma unroll
  for (int k = 0; k < 3; ++k) blur_tile<kCoarseTile>(planes, k, s.coarse_width, s.coarse_height, sheen, memory, v[k]);
#pragma unroll
  for (int k = 3; k < 5; ++k)
    blur_tile<kCoarseTile>(planes, k, s.coarse_width, s.coarse_height, wide_shade, memory, v[k]);
#pragma unroll
  for (int k = 3; k < 5; ++k)
    blur_tile<kCoarseTile>(planes, k, s.coarse_width, s.coarse_height, near_shade, memory, v[k + 2]);
  const TilePixels<kCoarseTile> at;
  if (at.x >= s.coarse_width || at.y >= s.coarse_height) return;
  const int64_t i = int64_t{at.y} * s.coarse_width + at.x;
  sketch::sheen_of(v[0][0], v[1][0], v[2][0], &s.coarse_plane(5)[i], &s.coarse_plane(6)[i]);
  s.coarse_plane(7)[i] = sketch::local_tone(v[5][0] / v[6][0], v[3][0] / v[4][0]);
}

// The tones of brows and eyes, relative to the skin there, for their thresholds.
__device__ void count_tones(const Sheet& s, const sketch::Features& m, int64_t cell, float x, float y, float relative) {
  const Frame& frame = s.state->frame;
  if (!sketch::near_eyes(frame, x, y) || s.plane(kSkin)[cell] < 0.3f) return;
  const int bin = sketch::tone_bin(relative);
  for (int k = 0; k < 2; ++k)
    if (m.brow[k] > 0.6f) atomicAdd(&s.state->tones[k][bin], 1u);
  if (m.eye > 0.6f) atomicAdd(&s.state->tones[2 + (x > sketch::eyes_middle(frame))][bin], 1u);
}

struct LockSink {
  Sheet s;
  __device__ void put(int x, int y, const float (&v)[4]) const {
    const State& state = *s.state;
    const int64_t i = int64_t{y} * s.low_width + x;
    const float f = static_cast<float>(s.factor), px = sketch::cell_centre(x, f), py = sketch::cell_centre(y, f);
    float tu, tv, hair[2];
    sketch::to_template(state.frame, px, py, &tu, &tv);
    for (int k = 0; k < 2; ++k)
      hair[k] = sketch::long_hair_share(static_cast<float>(static_cast<double>(state.long_hair[k]) / kSumUnit),
                                        static_cast<float>(state.long_hair_count[k]));
    const Between b = coarse_between(s, x, y);
    const sketch::Gains g = sketch::gains_of(
        s.style, tu, tv, hair[0], hair[1], sketch::mass_follow(s.style, state.hair_tone, state.skin_tone), v[0], v[1],
        v[2], v[3], enlarged(s.coarse_plane(5), b), enlarged(s.coarse_plane(6), b));
    s.plane(kLockMean)[i] = g.lock_mean;
    s.plane(kLockGain)[i] = g.lock_gain;
    s.plane(kStrandGain)[i] = g.strand_gain;
    s.plane(kMass)[i] = g.mass;
    const float local = enlarged(s.coarse_plane(7), b);
    s.plane(kLocal)[i] = local;
    const float cloth = sketch::cloth_share(s.style, tu, tv, hair[0], hair[1]);
    s.plane(kFold)[i] = sketch::fold_gain(s.style, cloth, local, g.lock_mean);
    s.plane(kPeak)[i] = 0.f;
    const sketch::Features m = sketch::features_at(state.frame, sketch::feature_map(state.frame), px, py);
    s.plane(kFeature)[i] = sketch::any_feature(m);
    count_tones(s, m, i, px, py, s.plane(kFlowLow)[i] / local);
  }
};

struct LineSink {
  Sheet s;
  __device__ void put(int x, int y, const float (&wide)[1]) const {
    const int64_t i = int64_t{y} * s.width + x;
    const float d = (wide[0] - s.flow_tone[i]) / enlarged(s.plane(kLocal), low_between(s, x, y));
    s.line[i] = d;
    float* peak = s.plane(kPeak) + int64_t{y / s.factor} * s.low_width + x / s.factor;
    if (d > 0.f) atomicMax(reinterpret_cast<int*>(peak), __float_as_int(d));  // positive: in the order of their bits
  }
};

void find_sheen(const Sheet& s, const Context& ctx) {
  const float cells = s.scale / (4.f * static_cast<float>(s.factor));
  const Gaussian sheen = sketch::gaussian(s.style.sheen * s.scale / (4.f * static_cast<float>(s.factor)));
  const Gaussian wide = sketch::gaussian(45.f * cells), near = sketch::gaussian(s.style.shade * cells);
  const int most = sheen.radius > near.radius ? sheen.radius : near.radius;
  const size_t bytes =
      sizeof(float) * static_cast<size_t>(blur_floats(kCoarseTile, most > wide.radius ? most : wide.radius));
  launch(ink_sheen_kernel, dim3(blocks(s.coarse_width, kCoarseTile), blocks(s.coarse_height, kCoarseTile)),
         dim3(kBlurThreads), bytes, ctx, s, sheen, wide, near);
}

}  // namespace

void find_tones(const Sheet& s, const Context& ctx) {
  blur<2>(StrandSource{s}, StrandSink{s}, s.width, s.height, 1, sketch::gaussian(s.style.strand * s.scale), s.rows,
          ctx);
  reduce_cells(s, MeasuresJob{}, ctx);
  find_sheen(s, ctx);
  blur_tiles<4>(Planes{s.plane(kLockSums), s.low_width, s.low_count(), 4}, LockSink{s}, s.low_width, s.low_height, 1,
                sketch::gaussian(s.style.lock * s.scale / static_cast<float>(s.factor)), ctx);
  blur<1>(Planes{s.flow_tone, s.width, s.full_count(), 1}, LineSink{s}, s.width, s.height, 1,
          sketch::gaussian(s.style.line * s.pen), s.rows, ctx);
}

}  // namespace inking
}  // namespace cuda
}  // namespace pyapdraw
