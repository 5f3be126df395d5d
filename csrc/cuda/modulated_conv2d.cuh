#pragma once
// What the passes of modulated_conv2d share: their arguments, and what is done to a sum before it is stored.
#include <cmath>

#include "core/activation_math.h"
#include "core/modulated_conv2d_plan.h"
#include "cuda/dtype.cuh"
#include "cuda/launch.cuh"

namespace pyapdraw {
namespace cuda {
namespace modconv {

constexpr int kVector = 8;               // channels that one thread finishes at once: 16 bytes of 16-bit results
constexpr int kTileThreads = 128;        // of the matrix kernels
constexpr int kSharedLimit = 99 * 1024;  // what every device since compute capability 8.0 gives one block
#if defined(PA_PROCESSORS)
constexpr int kProcessors = PA_PROCESSORS;
#else
constexpr int kProcessors = 132;  // that work is cut for; a constant, so that results depend on no device
#endif

PA_HD int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
PA_HD int64_t round_up(int64_t a, int64_t b) { return divide_up(a, b) * b; }

// Demodulation, noise, bias, activation, gain, clamp, store: see ops.h.
struct Finish {
  const float* scale = nullptr;  // [N][outputs]; null: 1
  const float *noise = nullptr, *bias = nullptr;
  int64_t noise_n = 0, noise_y = 0, noise_x = 0, bias_step = 0;
  Activation activation = Activation::linear;
  float alpha = 0, gain = 1, clamp = INFINITY;
  void* out = nullptr;
  int64_t out_n = 0, out_o = 0, out_y = 0, out_x = 0;
  int outputs = 0;
  bool wide = false;    // kVector channels are neighbours in out, on a multiple of 16 bytes
  bool planes = false;  // pixels are neighbours in out
};

// Where an output lies.
struct Pixel {
  int64_t n;
  int y, x;
};

// A convolution of channel-last operands: x [N][height][width][channels] with steps, weight [outputs][taps][channels].
// Its outputs are cut into boxes of box_h x box_w pixels of one sample; a block computes `boxes` of them.
struct Conv {
  const void* x = nullptr;
  int64_t x_n = 0, x_y = 0, x_x = 0;
  int height = 0, width = 0, channels = 0;  // channels: a whole number of 16-byte chunks
  const void* weight = nullptr;
  int64_t weight_n = 0;             // between the weights of two groups
  int64_t groups = 1, samples = 0;  // each sample a group with weights of its own, or one group of all samples
  int outputs = 0, taps = 0, stride = 1, pad = 0;
  int rows = 0, columns = 0;  // of outputs; of 2x2 cells of outputs where up-sampling
  int result_rows = 0, result_columns = 0;
  bool up = false;  // the transposed convolution of stride 2
  int log_box_h = 0, log_box_w = 0, boxes = 1, boxes_y = 0, boxes_x = 0;
  int patch_h = 0, patch_w = 0;                                 // input pixels that a box meets
  int tile = 0;                                                 // which of the tile sizes
  int64_t tiles_m = 0;                                          // of one group
  int tiles_n = 0, chunks = 0, chunks_a_split = 0, splits = 1;  // chunks: rows of channels in shared memory
  float* partial = nullptr;   // [splits][N][result_rows][result_columns][outputs padded]; null: finish
  int64_t partial_split = 0;  // between the sums of two splits
};

PA_HD int padded_outputs(int outputs) { return static_cast<int>(round_up(outputs, kVector)); }

__device__ inline float finished(const Finish& f, float sum, float scale, float add) {
  float y = sum * scale + add;
  if (f.activation == Activation::lrelu)
    y = act::value<Activation::lrelu>(y, f.alpha);
  else if (f.activation == Activation::relu)
    y = act::value<Activation::relu>(y, f.alpha);
  y *= f.gain;
  y = y > f.clamp ? f.clamp : y;  // NaN stays
  return y < -f.clamp ? -f.clamp : y;
}

// The sums of channels [first, first + kVector) of one pixel.
template <typename T>
__device__ inline void store_finished(const Finish& f, const Pixel& at, int first, const float (&sums)[kVector]) {
  const float noise = f.noise ? f.noise[at.n * f.noise_n + at.y * f.noise_y + at.x * f.noise_x] : 0.0f;
  alignas(16) T y[kVector];
#pragma unroll
  for (int k = 0; k < kVector; ++k) {
    const int o = first + k < f.outputs ? first + k : f.outputs - 1;
    const float bias = f.bias ? f.bias[o * f.bias_step] : 0.0f;
    y[k] = from_float<T>(finished(f, sums[k], f.scale ? f.scale[at.n * f.outputs + o] : 1.0f, bias + noise));
  }
  T* to = static_cast<T*>(f.out) + at.n * f.out_n + at.y * f.out_y + at.x * f.out_x + first * f.out_o;
  if (f.wide) {
    constexpr int kWords = kVector * sizeof(T) / 16;
#pragma unroll
    for (int w = 0; w < kWords; ++w) reinterpret_cast<uint4*>(to)[w] = reinterpret_cast<const uint4*>(y)[w];
    return;
  }
#pragma unroll
  for (int k = 0; k < kVector; ++k)
    if (first + k < f.outputs) to[k * f.out_o] = y[k];
}

// The passes. Each runs for the dtype of its operands.
struct WeightPass {
  void* packed = nullptr;        // [N or 1][O][taps][channels]; null: the weights are already so
  float* scale = nullptr;        // [N][O], that the sums are to be multiplied by
  float* style_power = nullptr;  // [N], that styles are to be divided by where they scale x; null: weights take them
  int channels = 0;              // padded with zeros
  bool demodulate = true;
};
void pack_weights(const Tensor& weight, const Tensor& styles, DType operands, const WeightPass& pass,
                  const Context& ctx);

// Channels-last operands for a matrix kernel from an image of any strides.
struct InputPass {
  void* packed = nullptr;  // [N][rows][columns][channels], zero behind the channels of x
  DType dtype = DType::f32;
  int rows = 0, columns = 0, channels = 0;
  bool scaled = false;                 // by `scale` of pack_input
  const float* scale_power = nullptr;  // [N]: which scale is divided by first; null: 1
  bool filtered = false;               // by the taps of the plan; `step` input pixels from one result to the next
  int step = 1;
};
void pack_input(const Tensor& x, const Tensor& scale, const ModulatedConvPlan& plan, const InputPass& pass,
                const Context& ctx);
bool aligned(const Tensor& image);  // for 16-byte loads of channels

// Cuts the work into tiles: the fields from log_box_h on. The others are set, `partial` excepted.
void choose_tiles(DType operands, Conv* conv);
void convolve_f16(const Conv& conv, const Finish& finish, const Context& ctx);
void convolve_bf16(const Conv& conv, const Finish& finish, const Context& ctx);
void convolve_f32(const Conv& conv, const Finish& finish, const Context& ctx);

// Sums, of the image before the filter of an up-sampling layer, to results.
struct FilterPass {
  const void* sums = nullptr;  // [splits][N][rows][columns][channels], float32 or of the results' dtype
  bool narrow = false;         // of the results' dtype
  int splits = 1, rows = 0, columns = 0, channels = 0;
  int spread = 1;  // 2: zeros between the samples
  bool filtered = false;
  int64_t samples = 0;
  int out_rows = 0, out_columns = 0;
};
void filter_sums(DType results, const FilterPass& pass, const ModulatedConvPlan& plan, const Finish& finish,
                 const Context& ctx);

}  // namespace modconv
}  // namespace cuda
}  // namespace pyapdraw
