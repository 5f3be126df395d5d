#pragma once
// What the stages of `ink` pass to each other on the device: the planes of one drawing, and the numbers that are found
// on the way. See csrc/cuda/ink.cu for the order, csrc/cpu/ink.cpp for the method. Nothing returns to the host: what
// the CPU decides from sums, medians and histograms is decided by the kernel that needs it, from State.
#include "core/ink_jaw_math.h"
#include "core/ink_skin_math.h"
#include "core/ink_tone_math.h"
#include "cuda/launch.cuh"

namespace pyapdraw {
namespace cuda {
namespace inking {

using sketch::Frame;

// Sums of what is no whole number are kept in units of 2^-32, so that they do not depend on the order of the blocks.
constexpr double kSumUnit = 4294967296.0;
constexpr int kFeatureSums = 9;

// Numbers of one drawing; zeroed at its beginning.
struct State {
  int outside;                                // some of the crop lies beside the photo
  int first_row, past_row;                    // of the photo: height - first, last + 1, so that both begin as zero
  unsigned hair_blocks;                       // that have added their sums
  unsigned long long hair[kFeatureSums + 1];  // sums of the features and the count
  unsigned long long long_hair[2], long_hair_count[2];
  unsigned tones[4][sketch::kToneBins];  // of brows and eyes
  // From here on written before they are read.
  int valid;  // the landmarks are a face
  Frame frame;
  float skin_tone, skin_warm, skin_yellow, inverse_tone, hair_tone;
  sketch::Class3 skin_class, hair_class;
  sketch::StrokePoint stroke[sketch::kAngles];
};

// Planes of the working grid. From kScratch on they change their meaning: the sums of the locks and what else is
// reduced at the same time come after all other uses.
constexpr int kSkin = 0, kMass = 1, kTangentX = 2, kTangentY = 3, kLockMean = 4, kLockGain = 5, kStrandGain = 6,
              kPeak = 7, kPeakWide = 8, kLocal = 9, kThreshold = 10, kFeature = 11, kPersonWide = 12, kJawTone = 13,
              kJawSkin = 14, kFold = 15, kScratch = 16, kLockSums = kScratch, kFlowLow = kScratch + 4,
              kPersonLow = kScratch + 5, kToneLow = kScratch + 6, kLowPlanes = kScratch + 7;
constexpr int kCoarsePlanes = 8;

struct Sheet {
  int width, height, low_width, low_height, coarse_width, coarse_height, factor;
  float scale, pen;
  InkStyle style;
  State* state;
  float* tone;       // luma; relative to the skin's by state->inverse_tone
  float* score;      // also the tone before it is smoothed along the flow
  float* flow_tone;  // the tone smoothed along the flow
  float* strand;     // mean log tone of the strands; at the end the coverage of paper
  float* line;
  float* rows;    // two planes for the first pass of wide windows, or null
  int16_t* copy;  // what is smoothed along the flow, in 16 bits
  uint8_t *person, *out, *drawn;
  int* labels;    // of areas: pixels + 1
  float* extent;  // of the photo in each row: 2 height whole numbers, 2 height corners, 2 height sides of its hull
  float *lows, *coarses;
  float* evidence;  // of the jaw: two numbers for each angle and radius
  uint32_t* tangent;

  __host__ __device__ int64_t full_count() const { return int64_t{width} * height; }
  __host__ __device__ int64_t low_count() const { return int64_t{low_width} * low_height; }
  __host__ __device__ int64_t coarse_count() const { return int64_t{coarse_width} * coarse_height; }
  __host__ __device__ float* plane(int i) const { return lows + i * low_count(); }
  __host__ __device__ float* coarse_plane(int i) const { return coarses + i * coarse_count(); }
  float cells() const { return scale / static_cast<float>(factor); }  // template px to cells
};

__device__ inline float tone_at(const Sheet& s, int64_t i) { return s.tone[i] * s.state->inverse_tone; }

// Where a pixel lies between the cells of a coarser grid.
struct Between {
  int64_t at;
  int right, down;
  float wx, wy;
};
__device__ inline Between between(int x, int y, int low_width, int low_height, int factor) {
  Between b{};
  if (factor == 1) {
    b.at = int64_t{y} * low_width + x;
    return b;
  }
  const int64_t i = sketch::enlarge_place(y, low_height, factor, &b.wy);
  const int64_t j = sketch::enlarge_place(x, low_width, factor, &b.wx);
  b.at = i * low_width + j;
  b.right = j + 1 < low_width ? 1 : 0;
  b.down = i + 1 < low_height ? low_width : 0;
  return b;
}
// A pixel between the cells of the working grid; a cell of that between those of the coarse grid.
__device__ inline Between low_between(const Sheet& s, int x, int y) {
  return between(x, y, s.low_width, s.low_height, s.factor);
}
__device__ inline Between coarse_between(const Sheet& s, int x, int y) {
  return between(x, y, s.coarse_width, s.coarse_height, 4);
}
__device__ inline float enlarged(const float* plane, const Between& b) {
  const float* p = plane + b.at;
  const float left = p[0] + b.wy * (p[b.down] - p[0]);
  const float right = p[b.right] + b.wy * (p[b.down + b.right] - p[b.right]);
  return left + b.wx * (right - left);
}

// The largest bin position at which `share` of the count lies below, linear inside its bin; kBins where there is none.
// All lanes of a warp call it and get the result.
template <int kBins>
__device__ float warp_quantile(const unsigned* bins, float share, unsigned* count) {
  constexpr int kOwn = kBins / 32;
  const int lane = static_cast<int>(threadIdx.x % 32);
  unsigned own = 0;
  for (int k = 0; k < kOwn; ++k) own += bins[lane * kOwn + k];
  unsigned until = own;
  for (int d = 1; d < 32; d *= 2) {
    const unsigned before = __shfl_up_sync(0xffffffffu, until, d);
    if (lane >= d) until += before;
  }
  *count = __shfl_sync(0xffffffffu, until, 31);
  const float target = share * static_cast<float>(*count);
  float below = static_cast<float>(until - own), place = static_cast<float>(kBins);
  bool found = false;
  for (int k = 0; k < kOwn; ++k) {
    const float here = static_cast<float>(bins[lane * kOwn + k]);
    if (!found && here > 0.f && below + here >= target) {
      place = static_cast<float>(lane * kOwn + k) + (target - below) / here;
      found = true;
    }
    below += here;
  }
  const unsigned lanes = __ballot_sync(0xffffffffu, found);
  return __shfl_sync(0xffffffffu, place, lanes ? __ffs(static_cast<int>(lanes)) - 1 : 0);
}

void prepare(const Sheet& s, const Tensor& pixels, const Tensor& mask, const Context& ctx);  // ink_prepare.cu
void find_skin(const Sheet& s, const Tensor& pixels, const Context& ctx);                    // ink_skin.cu
void find_flow(const Sheet& s, const Context& ctx);                                          // ink_flow.cu
void smooth_score(const Sheet& s, const Context& ctx);
void find_tones(const Sheet& s, const Context& ctx);  // ink_tone.cu
void compose(const Sheet& s, const Context& ctx);     // ink_compose.cu
void silhouette(const Sheet& s, const Context& ctx);
void jaw_line(const Sheet& s, const Context& ctx);                              // ink_jaw.cu
void remove_specks(const Sheet& s, const Tensor& drawing, const Context& ctx);  // ink_specks.cu

}  // namespace inking
}  // namespace cuda
}  // namespace pyapdraw
