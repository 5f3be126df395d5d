#pragma once
// What modulated_conv2d does with its sums: the resampling filter on rows that are still in the cache, then
// demodulation, noise, bias, activation, gain and clamp, and the store in the layout of the output.
#include "core/modulated_conv2d_plan.h"
#include "cpu/modulated_conv2d_operands.h"

namespace pyapdraw {
namespace PA_ISA {
namespace modconv {

// to[X] = sum_i taps[i] * row[X + i], for pixels of `lanes` floats.
template <int F>
void filter_row_of(const float* row, const float* taps, int64_t count, int64_t lanes, float* to) {
  for (int64_t i = 0; i < count; i += kLanes) {
    Vec sum = taps[0] * load(row + i);
    for (int f = 1; f < F; ++f) sum += taps[f] * load(row + i + f * lanes);
    store(to + i, sum);
  }
}

inline void filter_row(const float* row, const float* taps, int filter, int64_t width, int64_t lanes, float* to) {
  if (filter == 4) return filter_row_of<4>(row, taps, width * lanes, lanes, to);
  for (int64_t i = 0; i < width * lanes; i += kLanes) {
    Vec sum = taps[0] * load(row + i);
    for (int f = 1; f < filter; ++f) sum += taps[f] * load(row + i + f * lanes);
    store(to + i, sum);
  }
}

// The rows that one row of the vertical filter meets; rows outside count as zero and are left out.
struct RowTaps {
  int count = 0;
  const float* row[ModulatedConvPlan::kMostTaps];
  float tap[ModulatedConvPlan::kMostTaps];
};

// to[i] = sum over rows of tap * row[first + i]
inline void combine_rows(const RowTaps& rows, int64_t first, int64_t count, float* to) {
  if (rows.count == 4) {
    const float *a = rows.row[0] + first, *b = rows.row[1] + first, *c = rows.row[2] + first, *d = rows.row[3] + first;
    for (int64_t i = 0; i < count; i += kLanes)
      store(to + i, rows.tap[0] * load(a + i) + rows.tap[1] * load(b + i) + rows.tap[2] * load(c + i) +
                        rows.tap[3] * load(d + i));
    return;
  }
  for (int64_t i = 0; i < count; i += kLanes) {
    Vec sum = Vec{};
    for (int j = 0; j < rows.count; ++j) sum += rows.tap[j] * load(rows.row[j] + first + i);
    store(to + i, sum);
  }
}

// A vector of results into kLanes neighbouring elements of the output. The last argument tells the arithmetic in use:
// with bf16 operands the processor also rounds to bf16.
template <typename Unit>
inline void store_lanes(Vec v, float* to, Unit) {
  store(to, v);
}
inline void store_lanes(Vec v, Bfloat16* to, float) {
  for (int l = 0; l < kLanes; ++l) to[l] = from_float<Bfloat16>(v[l]);
}
#if defined(__AVX512F__)
PA_BF16 inline __attribute__((always_inline)) void store_lanes(Vec v, Bfloat16* to, Pair) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), (__m256i)_mm512_cvtneps_pbh((__m512)v));
}
#endif

// clamp(y, -most, most); NaN stays, which decides the order of the operands.
#if defined(__AVX512F__)
inline Vec within(Vec y, Vec most) {
  const __m512 high = (__m512)most, low = (__m512)(-most);
  return (Vec)_mm512_max_ps(low, _mm512_min_ps(high, (__m512)y));
}
#else
inline Vec within(Vec y, Vec most) {
  y = y > most ? most : y;
  return y < -most ? -most : y;
}
#endif

// Everything after the sums of one block of output channels.
struct Finish {
  Activation activation;
  float slope, gain, clamp;
  const float* scale;  // [lanes]
  const float* bias;   // [lanes]
  int64_t lanes, channels;

  // The activation is a template argument so that nothing is asked in the inner loop.
  template <Activation A>
  inline Vec value(Vec sum, int64_t o, Vec noise, Vec most) const {
    Vec y = sum * load(scale + o) + (load(bias + o) + noise);
    if (A == Activation::relu) {
      const Vec none = Vec{}, kept = y > 0.0f ? y : none;
      y = y != y ? y : kept;  // NaN stays
    } else if (A == Activation::lrelu) {
      y = y > 0.0f ? y : y * slope;
    }
    y = y * gain;
    return within(y, most);
  }
};

// Where the results go; Unit as in store_lanes.
template <typename T, typename Unit>
struct Target {
  T* out;
  int64_t pixel_step, channel_step;
};

// Sums of `count` pixels -> out; noise is null or one value a pixel. `sums` is overwritten.
template <typename T, typename Unit, Activation A>
PA_BF16 void finish_values(const Finish& f, float* sums, int64_t count, const float* noise, int64_t noise_step,
                           const Target<T, Unit>& to) {
  const bool whole = to.channel_step == 1 && f.channels == f.lanes;
  const Vec most = Vec{} + (f.clamp >= 0 ? f.clamp : __builtin_inff());
  for (int64_t c = 0; c < count; ++c) {
    const Vec add = Vec{} + (noise ? noise[c * noise_step] : 0.0f);
    float* row = sums + c * f.lanes;
    T* target = to.out + c * to.pixel_step;
    for (int64_t o = 0; o < f.lanes; o += kLanes) {
      const Vec y = f.value<A>(load(row + o), o, add, most);
      if (whole)
        store_lanes(y, target + o, Unit{});
      else
        store(row + o, y);
    }
  }
}

template <typename T, typename Unit>
void finish_pixels(const Finish& f, float* sums, int64_t count, const float* noise, int64_t noise_step,
                   const Target<T, Unit>& to) {
  if (f.activation == Activation::relu)
    finish_values<T, Unit, Activation::relu>(f, sums, count, noise, noise_step, to);
  else if (f.activation == Activation::lrelu)
    finish_values<T, Unit, Activation::lrelu>(f, sums, count, noise, noise_step, to);
  else
    finish_values<T, Unit, Activation::linear>(f, sums, count, noise, noise_step, to);
  if (to.channel_step == 1) {
    if (f.channels == f.lanes) return;
    for (int64_t c = 0; c < count; ++c)
      for (int64_t o = 0; o < f.channels; ++o) to.out[c * to.pixel_step + o] = from_float<T>(sums[c * f.lanes + o]);
    return;
  }
  for (int64_t o = 0; o < f.channels; ++o)
    for (int64_t c = 0; c < count; ++c)
      to.out[o * to.channel_step + c * to.pixel_step] = from_float<T>(sums[c * f.lanes + o]);
}

// All tensors of a call.
struct Call {
  const Tensor &x, &weight, &styles, &noise, &bias, &out;
  const ModulatedConvPlan& plan;
};

inline int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// What stays the same over a block of output channels; fills bias, and scale with ones.
inline Finish begin_block(const Call& c, int64_t first, int64_t lanes, float* scale, float* bias) {
  const int64_t left = c.weight.shape[0] - first;
  for (int64_t o = 0; o < lanes; ++o) {
    bias[o] = c.bias.numel() > 0 && o < left ? c.bias.as<float>()[(first + o) * c.bias.stride[0]] : 0.0f;
    scale[o] = 1.0f;
  }
  const ModulatedConvOptions& o = c.plan.options;
  return {o.activation, o.alpha, o.gain, o.clamp, scale, bias, lanes, left < lanes ? left : lanes};
}

// The styles of sample n in one run, and the demodulation of the block they give.
inline void begin_sample(const Call& c, int64_t n, float* styles, const float* squares, int64_t lanes, float* scale) {
  const int64_t channels = c.weight.shape[1];
  for (int64_t i = 0; i < channels; ++i)
    styles[i] = c.styles.as<float>()[n * c.styles.stride[0] + i * c.styles.stride[1]];
  if (c.plan.options.demodulate) demodulation(styles, squares, channels, lanes, scale);
}

// Sample, first output channel, row and column of a run of outputs.
struct Place {
  int64_t n, channel, y, x;
};

template <typename T, typename Unit>
void finish_at(const Call& c, const Finish& f, const Place& at, float* sums, int64_t count) {
  const Tensor &out = c.out, &noise = c.noise;
  const float* add = nullptr;
  if (noise.numel() > 0)
    add = noise.as<float>() + (noise.shape[0] == 1 ? 0 : at.n) * noise.stride[0] + at.y * noise.stride[2] +
          at.x * noise.stride[3];
  T* to = out.as<T>() + at.n * out.stride[0] + at.channel * out.stride[1] + at.y * out.stride[2] + at.x * out.stride[3];
  finish_pixels(f, sums, count, add, noise.stride[3], Target<T, Unit>{to, out.stride[3], out.stride[1]});
}

}  // namespace modconv
}  // namespace PA_ISA
}  // namespace pyapdraw
