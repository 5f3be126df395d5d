// ink: which pixels are skin, on the working grid: csrc/cpu/ink_skin.cpp.
//   colours   means of each cell, then their blur, which ends with tone and chromaticities (a thread a cell).
//   sample    one block: histograms of the places that are skin on every face, their medians (a warp each), and the
//   sums
//             of the skin's class.
//   hair      sums of the hair's class over the grid; the last block to finish makes the class of them.
//   label     the blur of the log odds, which are worked out where they are read; also sums up the long hair.
// Numerics: sums as whole multiples of 2^-32, so that the order of blocks does not matter.
#include "cuda/blur.cuh"
#include "cuda/ink_cells.cuh"

namespace pyapdraw {
namespace cuda {
namespace inking {

namespace {

constexpr int kSampleThreads = 512, kHairThreads = 256, kHairCells = 4;
constexpr int kTone = kScratch + 4, kWarm = kTone + 1, kYellow = kTone + 2, kPerson = kScratch + 3;
constexpr unsigned kAllLanes = 0xffffffffu;

struct ColourJob {  // mean red, green, blue and person of each cell
  static constexpr int kValues = 4, kCoarse = 0;
  Tensor pixels;
  __device__ static int coarse_value(int c) { return c; }
  __device__ bool idle(const Sheet&) const { return false; }
  __device__ void fill(const Sheet& s, int x, int y, float (&v)[4]) const {
    const uint8_t* p = pixels.as<uint8_t>() + y * pixels.stride[0] + x * pixels.stride[1];
    for (int k = 0; k < 3; ++k) v[k] = p[k * pixels.stride[2]];
    v[3] = static_cast<float>(s.person[int64_t{y} * s.width + x]) * (1.f / 255);
  }
  __device__ void put(const Sheet& s, int64_t cell, const float (&mean)[4]) const {
    for (int k = 0; k < 4; ++k) s.plane(kScratch + k)[cell] = mean[k];
  }
};

struct ColourSink {
  Sheet s;
  __device__ void put(int x, int y, const float (&v)[3]) const {
    const int64_t i = int64_t{y} * s.low_width + x;
    float tone = v[0], warm = v[1], yellow = v[2];
    sketch::colour_features(&tone, &warm, &yellow);
    s.plane(kTone)[i] = tone, s.plane(kWarm)[i] = warm, s.plane(kYellow)[i] = yellow;
  }
};

__device__ void relative(const Sheet& s, int64_t i, float (&v)[3]) {
  for (int k = 0; k < 3; ++k) v[k] = s.plane(kTone + k)[i];
  sketch::relative_features(s.state->skin_tone, s.state->skin_warm, s.state->skin_yellow, &v[0], &v[1], &v[2]);
}

__device__ void add_features(const float (&v)[3], long long (&sum)[kFeatureSums]) {
  for (int i = 0, k = 3; i < 3; ++i) {
    sum[i] += __double2ll_rn(static_cast<double>(v[i]) * kSumUnit);
    for (int j = i; j < 3; ++j, ++k) sum[k] += __double2ll_rn(static_cast<double>(v[i]) * v[j] * kSumUnit);
  }
}

// Adds the sums of a warp to ten numbers in memory.
__device__ void add_warp(long long (&sum)[kFeatureSums], int count, unsigned long long* into) {
  for (int k = 0; k <= kFeatureSums; ++k) {
    long long v = k < kFeatureSums ? sum[k < kFeatureSums ? k : 0] : count;
    for (int d = 16; d > 0; d /= 2) v += __shfl_xor_sync(kAllLanes, v, d);
    if (threadIdx.x % 32 == 0) atomicAdd(into + k, static_cast<unsigned long long>(v));
  }
}

__device__ double real_sum(unsigned long long v) { return static_cast<double>(static_cast<long long>(v)) / kSumUnit; }

// Cell number i of the places where skin is sampled.
__device__ int64_t skin_sample(const Sheet& s, int i, int side) {
  float at[2];
  sketch::skin_place(s.state->frame, i / (side * side), at);
  const float f = static_cast<float>(s.factor);
  const int rest = i % (side * side), reach = side / 2;
  const int64_t x = static_cast<int64_t>(at[0] / f) + rest % side - reach;
  const int64_t y = static_cast<int64_t>(at[1] / f) + rest / side - reach;
  return sketch::clamp_index(y, s.low_height - 1) * s.low_width + sketch::clamp_index(x, s.low_width - 1);
}

PA_KERNEL __launch_bounds__(kSampleThreads) void ink_sample_kernel(Sheet s, int side) {
  __shared__ unsigned bins[3][sketch::kMedianBins];
  __shared__ unsigned long long sums[kFeatureSums + 1];
  const int t = static_cast<int>(threadIdx.x), count = sketch::kSkinPlaces * side * side;
  for (int i = t; i < 3 * sketch::kMedianBins; i += kSampleThreads)
    bins[i / sketch::kMedianBins][i % sketch::kMedianBins] = 0;
  if (t <= kFeatureSums) sums[t] = 0;
  __syncthreads();
  for (int i = t; i < count; i += kSampleThreads) {
    const int64_t cell = skin_sample(s, i, side);
    for (int k = 0; k < 3; ++k)
      atomicAdd(&bins[k][sketch::median_bin(s.plane(kTone + k)[cell], k ? -1.f : 0.f, 1.f)], 1u);
  }
  __syncthreads();
  if (t < 96) {
    const int k = t / 32;
    unsigned all;
    const float low = k ? -1.f : 0.f;
    const float median =
        low + (1.f - low) * warp_quantile<sketch::kMedianBins>(bins[k], 0.5f, &all) / sketch::kMedianBins;
    if (t == 0) s.state->skin_tone = sketch::clamp(median, 0.05f, 1.f);
    if (t == 0) s.state->inverse_tone = 1.f / sketch::clamp(median, 0.05f, 1.f);
    if (t == 32) s.state->skin_warm = median;
    if (t == 64) s.state->skin_yellow = median;
  }
  __syncthreads();
  long long sum[kFeatureSums] = {};
  for (int i = t; i < count; i += kSampleThreads) {
    float v[3];
    relative(s, skin_sample(s, i, side), v);
    add_features(v, sum);
  }
  add_warp(sum, 0, sums);
  __syncthreads();
  if (t != 0) return;
  double real[kFeatureSums];
  for (int k = 0; k < kFeatureSums; ++k) real[k] = real_sum(sums[k]);
  s.state->skin_class = sketch::skin_class(real, count);
}

PA_KERNEL __launch_bounds__(kHairThreads) void ink_hair_kernel(Sheet s, sketch::Sizes sizes) {
  __shared__ unsigned long long sums[kFeatureSums + 1];
  __shared__ int last;
  const int t = static_cast<int>(threadIdx.x);
  if (t <= kFeatureSums) sums[t] = 0;
  __syncthreads();
  long long sum[kFeatureSums] = {};
  int count = 0;
  const float f = static_cast<float>(s.factor);
  for (int k = 0; k < kHairCells; ++k) {
    const int64_t i = (static_cast<int64_t>(blockIdx.x) * kHairCells + k) * kHairThreads + t;
    if (i >= s.low_count() || s.plane(kPerson)[i] < 0.7f) continue;
    float u, v, features[3];
    sketch::to_template(s.state->frame, sketch::cell_centre(i % s.low_width, f),
                        sketch::cell_centre(i / s.low_width, f), &u, &v);
    if (!sketch::hair_place(u, v)) continue;
    relative(s, i, features);
    add_features(features, sum);
    ++count;
  }
  add_warp(sum, count, sums);
  __syncthreads();
  if (t <= kFeatureSums) atomicAdd(&s.state->hair[t], sums[t]);
  __threadfence();
  __syncthreads();
  if (t == 0) last = atomicAdd(&s.state->hair_blocks, 1u) == gridDim.x - 1;
  __syncthreads();
  if (t != 0 || !last) return;
  __threadfence();
  double real[kFeatureSums];
  for (int k = 0; k < kFeatureSums; ++k) real[k] = real_sum(atomicAdd(&s.state->hair[k], 0ull));
  const double cells = static_cast<double>(atomicAdd(&s.state->hair[kFeatureSums], 0ull));
  s.state->hair_class = sketch::hair_class(real, cells, sizes);
  s.state->hair_tone = sketch::hair_tone(s.state->hair_class);
}

struct OddsSource {
  Sheet s;
  __device__ float at(int, int x, int y) const {
    float v[3];
    relative(s, int64_t{y} * s.low_width + x, v);
    return sketch::skin_odds(s.state->skin_class, s.state->hair_class, v[0], v[1], v[2]);
  }
};

struct LabelSink {
  Sheet s;
  __device__ void put(int x, int y, const float (&odds)[1]) const {
    const float f = static_cast<float>(s.factor);
    const int64_t i = int64_t{y} * s.low_width + x;
    float u, v;
    sketch::to_template(s.state->frame, sketch::cell_centre(x, f), sketch::cell_centre(y, f), &u, &v);
    const float label = sketch::skin_label(odds[0], u, v);
    s.plane(kSkin)[i] = label;
    if (!sketch::beside_neck(u, v)) return;
    const int side = u > 256.f;
    const double hair = static_cast<double>(s.plane(kPerson)[i] * (1.f - label));
    atomicAdd(&s.state->long_hair[side], static_cast<unsigned long long>(__double2ll_rn(hair * kSumUnit)));
    atomicAdd(&s.state->long_hair_count[side], 1ull);
  }
};

}  // namespace

void find_skin(const Sheet& s, const Tensor& pixels, const Context& ctx) {
  const sketch::Sizes sizes = sketch::sizes_of(s.width, s.height, s.scale, s.style.figure);
  reduce_cells(s, ColourJob{pixels}, ctx);
  blur_tiles<3>(Planes{s.plane(kScratch), s.low_width, s.low_count(), 3}, ColourSink{s}, s.low_width, s.low_height, 1,
                sketch::gaussian(0.8f * s.cells()), ctx);
  const int side = 2 * static_cast<int>(sketch::skin_reach(sizes)) + 1;
  launch(ink_sample_kernel, dim3(1), dim3(kSampleThreads), 0, ctx, s, side);
  launch(ink_hair_kernel, dim3(blocks(s.low_count(), kHairThreads * kHairCells)), dim3(kHairThreads), 0, ctx, s, sizes);
  blur_tiles<1>(OddsSource{s}, LabelSink{s}, s.low_width, s.low_height, 1, sketch::gaussian(1.f * s.cells()), ctx);
}

}  // namespace inking
}  // namespace cuda
}  // namespace pyapdraw
