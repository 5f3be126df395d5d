#pragma once
// The two inner parts of conv_to_one: pixels are turned so that neighbours fill a vector, and taps are multiplied with
// them. A unit is what one 32-bit lane holds of a pixel: a float32 channel, or two bfloat16 channels.
#include <cstdint>
#include <cstring>

#include "cpu/convert.h"
#include "cpu/intrinsics.h"
#include "cpu/lanes.h"
#include "pyapdraw/tensor.h"

namespace pyapdraw {
namespace PA_ISA {
namespace to_one {

namespace {

#if defined(__AVX512F__)
constexpr int kVectors = 4, kMostTaps = 7;  // 28 sums, 4 vectors of pixels: all 32 registers
#else
constexpr int kVectors = 2, kMostTaps = 6;  // 12 sums of 16 registers
#endif
constexpr int kPixels = kVectors * lanes::kCount;  // of a block

// out[t][pixel] = sum over units of w[unit][t] * x[unit][pixel], for one block of pixels.
template <int T>
void multiply(const float* x, const float* w, int64_t units, float* out, int64_t step) {
  lanes::Vec sum[T][kVectors] = {};
  for (int64_t u = 0; u < units; ++u, x += kPixels, w += T) {
    lanes::Vec v[kVectors];
    for (int p = 0; p < kVectors; ++p) v[p] = lanes::load(x + p * lanes::kCount);
    for (int t = 0; t < T; ++t)
      for (int p = 0; p < kVectors; ++p) sum[t][p] += w[t] * v[p];
  }
  for (int t = 0; t < T; ++t)
    for (int p = 0; p < kVectors; ++p) lanes::store(out + t * step + p * lanes::kCount, sum[t][p]);
}

#if defined(__AVX512F__)
// The same for units of two bfloat16: products are summed in pairs, in float32.
template <int T>
__attribute__((target("avx512bf16"))) void multiply_pairs(const float* x, const float* w, int64_t units, float* out,
                                                          int64_t step) {
  __m512 sum[T][kVectors];
  for (int t = 0; t < T; ++t)
    for (int p = 0; p < kVectors; ++p) sum[t][p] = _mm512_setzero_ps();
  for (int64_t u = 0; u < units; ++u, x += kPixels, w += T) {
    __m512bh v[kVectors];
    for (int p = 0; p < kVectors; ++p) v[p] = reinterpret_cast<__m512bh>(_mm512_loadu_ps(x + p * lanes::kCount));
    for (int t = 0; t < T; ++t) {
      const auto tap = reinterpret_cast<__m512bh>(_mm512_set1_ps(w[t]));
      for (int p = 0; p < kVectors; ++p) sum[t][p] = _mm512_dpbf16_ps(sum[t][p], v[p], tap);
    }
  }
  for (int t = 0; t < T; ++t)
    for (int p = 0; p < kVectors; ++p) _mm512_storeu_ps(out + t * step + p * lanes::kCount, sum[t][p]);
}
#endif

using Multiply = void (*)(const float* x, const float* w, int64_t units, float* out, int64_t step);

inline bool has_pairs() {
#if defined(__AVX512F__)
  return __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

inline Multiply multiply_for(int taps, bool pairs) {
#if defined(__AVX512F__)
  static constexpr Multiply kPairs[] = {multiply_pairs<1>, multiply_pairs<2>, multiply_pairs<3>, multiply_pairs<4>,
                                        multiply_pairs<5>, multiply_pairs<6>, multiply_pairs<7>};
  if (pairs) return kPairs[taps - 1];
  static constexpr Multiply kSingle[] = {multiply<1>, multiply<2>, multiply<3>, multiply<4>,
                                         multiply<5>, multiply<6>, multiply<7>};
#else
  (void)pairs;
  static constexpr Multiply kSingle[] = {multiply<1>, multiply<2>, multiply<3>, multiply<4>, multiply<5>, multiply<6>};
#endif
  return kSingle[taps - 1];
}

#if defined(__AVX512F__)
// Sixteen pixels of sixteen units each, transposed. step: between pixels, in units.
inline void turn(const uint32_t* from, int64_t step, uint32_t* to) {
  __m512i a[16], b[16];
  for (int i = 0; i < 16; ++i) a[i] = _mm512_loadu_si512(from + i * step);
  for (int i = 0; i < 16; i += 2) {
    b[i] = _mm512_unpacklo_epi32(a[i], a[i + 1]);
    b[i + 1] = _mm512_unpackhi_epi32(a[i], a[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    a[i] = _mm512_unpacklo_epi64(b[i], b[i + 2]);
    a[i + 1] = _mm512_unpackhi_epi64(b[i], b[i + 2]);
    a[i + 2] = _mm512_unpacklo_epi64(b[i + 1], b[i + 3]);
    a[i + 3] = _mm512_unpackhi_epi64(b[i + 1], b[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    b[i] = _mm512_shuffle_i32x4(a[i], a[i + 4], 0x88);
    b[i + 4] = _mm512_shuffle_i32x4(a[i], a[i + 4], 0xdd);
    b[i + 8] = _mm512_shuffle_i32x4(a[i + 8], a[i + 12], 0x88);
    b[i + 12] = _mm512_shuffle_i32x4(a[i + 8], a[i + 12], 0xdd);
  }
  for (int i = 0; i < 4; ++i) {
    a[i] = _mm512_shuffle_i32x4(b[i], b[i + 8], 0x88);
    a[i + 8] = _mm512_shuffle_i32x4(b[i], b[i + 8], 0xdd);
    a[i + 4] = _mm512_shuffle_i32x4(b[i + 4], b[i + 12], 0x88);
    a[i + 12] = _mm512_shuffle_i32x4(b[i + 4], b[i + 12], 0xdd);
  }
  for (int i = 0; i < 16; ++i) _mm512_storeu_si512(to + i * kPixels, a[i]);
}
#endif

// Whole units of neighbouring pixels: block[unit][pixel], `count` pixels of it. step: between pixels, in units.
inline void turn_block(const uint32_t* from, int64_t step, int64_t units, int64_t count, uint32_t* block) {
  int64_t pixel = 0;
#if defined(__AVX512F__)
  for (; pixel + 16 <= count; pixel += 16) {
    const uint32_t* at = from + pixel * step;
    int64_t u = 0;
    for (; u + 16 <= units; u += 16) turn(at + u, step, block + u * kPixels + pixel);
    for (; u < units; ++u)
      for (int i = 0; i < 16; ++i) block[u * kPixels + pixel + i] = at[i * step + u];
  }
#endif
  for (; pixel < count; ++pixel)
    for (int64_t u = 0; u < units; ++u) block[u * kPixels + pixel] = from[pixel * step + u];
}

inline float value_at(const Tensor& x, int64_t offset) {
  return x.dtype == DType::f32 ? x.as<float>()[offset] : to_float(x.as<Bfloat16>()[offset]);
}

// Pixels [first, first + count) of a row of x, whose first channel is at `row`, into a block; the rest of it becomes 0.
inline void pack_block(const Tensor& x, int64_t row, int64_t first, int64_t count, bool pairs, float* block) {
  const int64_t channels = x.shape[1], units = pairs ? (channels + 1) / 2 : channels;
  const int64_t step = x.stride[3], plane = x.stride[1], at = row + first * step;
  if (count < kPixels) std::memset(block, 0, static_cast<size_t>(units * kPixels) * sizeof(float));
  auto* bits = reinterpret_cast<uint32_t*>(block);
  if (!pairs && x.dtype == DType::f32) {
    const float* from = x.as<float>() + at;
    if (plane == 1) return turn_block(reinterpret_cast<const uint32_t*>(from), step, units, count, bits);
    if (step == 1) {
      for (int64_t c = 0; c < channels; ++c)
        std::memcpy(block + c * kPixels, from + c * plane, static_cast<size_t>(count) * sizeof(float));
      return;
    }
  }
  if (pairs && plane == 1 && channels % 2 == 0 && step % 2 == 0 &&
      reinterpret_cast<uintptr_t>(x.as<Bfloat16>() + at) % 4 == 0)
    return turn_block(reinterpret_cast<const uint32_t*>(x.as<Bfloat16>() + at), step / 2, units, count, bits);
  for (int64_t u = 0; u < units; ++u) {
    if (!pairs) {
      for (int64_t i = 0; i < count; ++i) block[u * kPixels + i] = value_at(x, at + i * step + u * plane);
      continue;
    }
    const auto* low = reinterpret_cast<const uint16_t*>(x.as<Bfloat16>() + at + 2 * u * plane);
    const bool both = 2 * u + 1 < channels;
    for (int64_t i = 0; i < count; ++i)
      bits[u * kPixels + i] = low[i * step] | (both ? static_cast<uint32_t>(low[i * step + plane]) << 16 : 0u);
  }
}

}  // namespace

}  // namespace to_one
}  // namespace PA_ISA
}  // namespace pyapdraw
