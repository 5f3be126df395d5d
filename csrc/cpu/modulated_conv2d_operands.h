#pragma once
// What the tiles of modulated_conv2d multiply: packed weights of a block of output channels, and rows of input pixels
// times their styles, both as float32 or as pairs of bf16 channels.
#include "cpu/convert.h"
#include "cpu/modulated_conv2d_tile.h"

namespace pyapdraw {
namespace PA_ISA {
namespace modconv {

template <typename Unit>
constexpr int64_t kChannelsPerUnit = 1;
template <>
constexpr int64_t kChannelsPerUnit<Pair> = 2;

// Operands that hold `channels`, an odd last channel padded with zero.
template <typename Unit>
constexpr int64_t units_of(int64_t channels) {
  return (channels + kChannelsPerUnit<Unit> - 1) / kChannelsPerUnit<Unit>;
}

inline uint16_t bits_of(float x) { return from_float<Bfloat16>(x).bits; }

#if defined(__AVX512F__)
inline __m512 load_16(const float* x) { return _mm512_loadu_ps(x); }
inline __m512 load_16(const Bfloat16* x) {
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}

// to[j][i] = from[i][j] for 16 x 16 values.
template <typename T>
void transpose_16(const T* from, int64_t from_step, float* to, int64_t to_step) {
  __m512 a[16], b[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) a[i] = load_16(from + i * from_step);
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
    b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4)
#pragma GCC unroll 2
    for (int j = 0; j < 2; ++j) {
      const __m512d low = _mm512_castps_pd(b[i + j]), high = _mm512_castps_pd(b[i + j + 2]);
      a[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
      a[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
    }
  // a[4 g + c] now holds column c of each quarter, from rows 4 g to 4 g + 3.
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {
    const __m512 even_01 = _mm512_shuffle_f32x4(a[c], a[4 + c], 0x88),
                 odd_01 = _mm512_shuffle_f32x4(a[c], a[4 + c], 0xdd);
    const __m512 even_23 = _mm512_shuffle_f32x4(a[8 + c], a[12 + c], 0x88);
    const __m512 odd_23 = _mm512_shuffle_f32x4(a[8 + c], a[12 + c], 0xdd);
    _mm512_storeu_ps(to + c * to_step, _mm512_shuffle_f32x4(even_01, even_23, 0x88));
    _mm512_storeu_ps(to + (c + 8) * to_step, _mm512_shuffle_f32x4(even_01, even_23, 0xdd));
    _mm512_storeu_ps(to + (c + 4) * to_step, _mm512_shuffle_f32x4(odd_01, odd_23, 0x88));
    _mm512_storeu_ps(to + (c + 12) * to_step, _mm512_shuffle_f32x4(odd_01, odd_23, 0xdd));
  }
}
#else
template <typename T>
void transpose_16(const T* from, int64_t from_step, float* to, int64_t to_step) {
  for (int j = 0; j < 16; ++j)
    for (int i = 0; i < 16; ++i) to[j * to_step + i] = to_float(from[i * from_step + j]);
}
#endif

// One row of packed weights: lanes of channel i, and i + 1 for pairs.
inline void pack_row(const float* first, const float*, int64_t lanes, float* to) {
  for (int64_t o = 0; o < lanes; ++o) to[o] = first[o];
}
#if defined(__AVX512F__)
PA_BF16 inline void pack_row(const float* first, const float* second, int64_t lanes, Pair* to) {
  for (int64_t o = 0; o < lanes; o += 16) {
    const __m512i a = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(load_16(first + o)));
    const __m512i b = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(load_16(second + o)));
    _mm512_storeu_si512(to + o, _mm512_or_si512(a, _mm512_slli_epi32(b, 16)));
  }
}
#else
inline void pack_row(const float*, const float*, int64_t, Pair*) {}  // never called
#endif

constexpr int kPackChannels = 16;
constexpr int kPackFloats = kPackChannels * 9 * 4 * kLanes;

// Channels [channel, channel + count) of outputs [first, first + lanes) -> to[count * taps][lanes]; zero beyond O.
template <typename T>
void gather_channels(const Tensor& weight, int64_t first, int64_t lanes, int64_t channel, int64_t count, float* to) {
  const int64_t k = weight.shape[2], taps = k * k, outputs = weight.shape[0];
  const bool plain = weight.stride[1] == taps && weight.stride[3] == 1 && weight.stride[2] == k;
  int64_t at[9];
  for (int64_t t = 0; t < taps; ++t) at[t] = t / k * weight.stride[2] + t % k * weight.stride[3];
  for (int64_t o = 0; o < lanes; o += kLanes) {
    const T* from = weight.as<T>() + (first + o) * weight.stride[0] + channel * weight.stride[1];
    if (kLanes == 16 && plain && count == kPackChannels && first + o + 16 <= outputs) {
      for (int64_t j = 0; j < count * taps; j += 16) {
        // Sixteen rows at once are more than the processor foresees by itself.
        for (int64_t l = 0; l < 16; ++l) __builtin_prefetch(from + j + count * taps + l * weight.stride[0]);
        transpose_16(from + j, weight.stride[0], to + j * lanes + o, lanes);
      }
      continue;
    }
    for (int64_t l = 0; l < kLanes; ++l)
      for (int64_t i = 0; i < count; ++i)
        for (int64_t t = 0; t < taps; ++t) {
          const bool inside = first + o + l < outputs;
          const int64_t where = l * weight.stride[0] + i * weight.stride[1] + at[t];
          to[(i * taps + t) * lanes + o + l] = inside ? to_float(from[where]) : 0.0f;
        }
  }
}

inline void gather(const Tensor& weight, int64_t first, int64_t lanes, int64_t channel, int64_t count, float* to) {
  if (weight.dtype == DType::bf16)
    gather_channels<Bfloat16>(weight, first, lanes, channel, count, to);
  else
    gather_channels<float>(weight, first, lanes, channel, count, to);
}

// squares[count][lanes]: the sum over taps of the squared weights.
inline void sum_squares(const float* part, int64_t count, int64_t taps, int64_t lanes, float* squares) {
  for (int64_t i = 0; i < count; ++i)
    for (int64_t o = 0; o < lanes; o += kLanes) {
      const float* row = part + i * taps * lanes + o;
      Vec sum = load(row) * load(row);
      for (int64_t t = 1; t < taps; ++t) sum += load(row + t * lanes) * load(row + t * lanes);
      store(squares + i * lanes + o, sum);
    }
}

// Output channels [first, first + lanes) of weight [O,I,k,k] -> packed [k*k][units][lanes], zero beyond O; and
// squares [I][lanes]: the sum over taps of the squared weights. part: kPackFloats of scratch.
template <typename Unit>
void pack_weights(const Tensor& weight, int64_t first, int64_t lanes, Unit* packed, float* squares, float* part) {
  constexpr int64_t kGroup = kChannelsPerUnit<Unit>;
  const int64_t channels = weight.shape[1], taps = weight.shape[2] * weight.shape[3], units = units_of<Unit>(channels);
  for (int64_t c = 0; c < channels; c += kPackChannels) {
    const int64_t count = channels - c < kPackChannels ? channels - c : kPackChannels;
    gather(weight, first, lanes, c, count, part);
    if (count % kGroup) std::memset(part + count * taps * lanes, 0, static_cast<size_t>(taps * lanes) * sizeof(float));
    for (int64_t i = 0; i < count; i += kGroup)
      for (int64_t t = 0; t < taps; ++t) {
        const float* row = part + (i * taps + t) * lanes;
        pack_row(row, row + taps * lanes, lanes, packed + (t * units + (c + i) / kGroup) * lanes);
      }
    if (squares) sum_squares(part, count, taps, lanes, squares + c * lanes);
  }
}

// scale[o] = rsqrt(sum_i (styles[i])^2 squares[i][o] + 1e-8)
inline void demodulation(const float* styles, const float* squares, int64_t channels, int64_t lanes, float* scale) {
  for (int64_t o = 0; o < lanes; o += kLanes) {
    Vec sum = Vec{};
    for (int64_t i = 0; i < channels; ++i) sum += styles[i] * styles[i] * load(squares + i * lanes + o);
    for (int l = 0; l < kLanes; ++l) scale[o + l] = 1.0f / __builtin_sqrtf(sum[l] + 1e-8f);
  }
}

// `channels` neighbouring channels of one pixel times their styles.
template <typename T>
void scale_pixel(const T* x, const float* styles, int64_t channels, float* to) {
  for (int64_t i = 0; i < channels; ++i) to[i] = to_float(x[i]) * styles[i];
}
template <typename T>
void scale_pixel(const T* x, const float* styles, int64_t channels, Pair* to) {
  uint16_t* half = reinterpret_cast<uint16_t*>(to);
  for (int64_t i = 0; i < channels; ++i) half[i] = bits_of(to_float(x[i]) * styles[i]);
  if (channels % 2) half[channels] = 0;
}

#if defined(__AVX512F__)
template <typename T>
PA_BF16 void scale_pixel_16(const T* x, const float* styles, int64_t channels, Pair* to) {
  for (int64_t i = 0; i < channels; i += 16) {
    const __m512 product = _mm512_mul_ps(load_16(x + i), _mm512_loadu_ps(styles + i));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to) + i / 16, (__m256i)_mm512_cvtneps_pbh(product));
  }
}
#else
template <typename T>
void scale_pixel_16(const T* x, const float* styles, int64_t channels, Pair* to) {
  scale_pixel(x, styles, channels, to);
}
#endif
template <typename T>
void scale_pixel_16(const T* x, const float* styles, int64_t channels, float* to) {
  scale_pixel(x, styles, channels, to);
}

// A row of `width` pixels of x, channel_step and pixel_step apart in memory -> to[width][units].
template <typename T, typename Unit>
void scale_row(const T* x, int64_t pixel_step, int64_t channel_step, int64_t width, const float* styles,
               int64_t channels, Unit* to) {
  const int64_t units = units_of<Unit>(channels);
  if (channel_step == 1) {
    for (int64_t c = 0; c < width; ++c)
      if (channels % 16 == 0)
        scale_pixel_16(x + c * pixel_step, styles, channels, to + c * units);
      else
        scale_pixel(x + c * pixel_step, styles, channels, to + c * units);
    return;
  }
  // Planes: blocks of 16 pixels x 64 channels are turned round in the first-level cache.
  alignas(64) float block[16 * 64];
  for (int64_t c0 = 0; c0 < width; c0 += 16)
    for (int64_t i0 = 0; i0 < channels; i0 += 64) {
      const int64_t pixels = width - c0 < 16 ? width - c0 : 16, count = channels - i0 < 64 ? channels - i0 : 64;
      const T* from = x + c0 * pixel_step + i0 * channel_step;
      if (pixel_step == 1 && pixels == 16 && count == 64)
        for (int64_t i = 0; i < 64; i += 16) transpose_16(from + i * channel_step, channel_step, block + i, 64);
      else
        for (int64_t i = 0; i < count; ++i)
          for (int64_t c = 0; c < pixels; ++c) block[c * 64 + i] = to_float(from[c * pixel_step + i * channel_step]);
      for (int64_t c = 0; c < pixels; ++c) {
        Unit* target = to + (c0 + c) * units + units_of<Unit>(i0);
        if (count == 64)
          scale_pixel_16(block + c * 64, styles + i0, int64_t{64}, target);
        else
          scale_pixel(block + c * 64, styles + i0, count, target);
      }
    }
}

}  // namespace modconv
}  // namespace PA_ISA
}  // namespace pyapdraw
