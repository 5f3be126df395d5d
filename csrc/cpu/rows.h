#pragma once
// Rows of pixels: packing strided rows, and planar <-> interleaved RGB by byte shuffles.
#include <cstdint>
#include <cstring>

#include "cpu/intrinsics.h"
#include "cpu/isa.h"

namespace pyapdraw {
namespace PA_ISA {
namespace {

// The row itself where it is packed, else a packed copy in `scratch`.
template <typename T>
inline const T* packed_row(const T* row, int64_t stride, int64_t n, T* scratch) {
  if (stride == 1) return row;
  if (stride == 2) {
    for (int64_t i = 0; i < n; ++i) scratch[i] = row[2 * i];
  } else {
    for (int64_t i = 0; i < n; ++i) scratch[i] = row[i * stride];
  }
  return scratch;
}

template <typename T>
inline void spread_row(const T* packed, int64_t n, T* row, int64_t stride) {
  if (stride == 1) {
    if (row != packed) std::memcpy(row, packed, static_cast<size_t>(n) * sizeof(T));
  } else if (stride == 2) {
    for (int64_t i = 0; i < n; ++i) row[2 * i] = packed[i];
  } else {
    for (int64_t i = 0; i < n; ++i) row[i * stride] = packed[i];
  }
}

#if defined(__SSSE3__)
// Shuffle controls for 16 pixels = three vectors of 16 bytes; 128 = "write zero".
struct Shuffles {
  alignas(16) uint8_t join[3][3][16];   // [vector][channel]: planar -> interleaved
  alignas(16) uint8_t split[3][3][16];  // [channel][vector]: interleaved -> planar
};

constexpr Shuffles make_shuffles() {
  Shuffles s{};
  for (int a = 0; a < 3; ++a)
    for (int b = 0; b < 3; ++b)
      for (int i = 0; i < 16; ++i) {
        const int byte = 16 * a + i;  // in the interleaved stream
        s.join[a][b][i] = static_cast<uint8_t>(byte % 3 == b ? byte / 3 : 128);
        const int source = 3 * i + a - 16 * b;  // pixel i of channel a, inside vector b
        s.split[a][b][i] = static_cast<uint8_t>(source >= 0 && source < 16 ? source : 128);
      }
  return s;
}

constexpr Shuffles kShuffles = make_shuffles();

inline __m128i shuffle3(__m128i a, __m128i b, __m128i c, const uint8_t (&control)[3][16]) {
  const auto* m = reinterpret_cast<const __m128i*>(control);
  return _mm_or_si128(_mm_or_si128(_mm_shuffle_epi8(a, _mm_load_si128(m)), _mm_shuffle_epi8(b, _mm_load_si128(m + 1))),
                      _mm_shuffle_epi8(c, _mm_load_si128(m + 2)));
}

inline void store16(__m128i r, __m128i g, __m128i b, uint8_t* rgb) {
  for (int k = 0; k < 3; ++k)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(rgb) + k, shuffle3(r, g, b, kShuffles.join[k]));
}
#endif

#if defined(__AVX512BW__)
// 16 interleaved pixels as three vectors of 32-bit numbers and back. Four pixels are 12 bytes: a quarter of the
// register each, where one byte shuffle takes them apart.
struct Pixels16 {
  __m512i r, g, b;
};

struct QuarterShuffles {
  alignas(64) int32_t spread[16], gather[16];  // 12 bytes to each quarter; 12 bytes of each quarter together
  alignas(64) uint8_t split[3][64], join[64];
};

constexpr QuarterShuffles make_quarter_shuffles() {
  QuarterShuffles s{};
  for (int i = 0; i < 16; ++i) {
    s.spread[i] = i % 4 < 3 ? i / 4 * 3 + i % 4 : 0;
    s.gather[i] = i < 12 ? i / 3 * 4 + i % 3 : 0;
  }
  for (int i = 0; i < 64; ++i) {
    const int byte = i % 16;
    for (int c = 0; c < 3; ++c) s.split[c][i] = static_cast<uint8_t>(byte % 4 == 0 ? byte / 4 * 3 + c : 128);
    s.join[i] = static_cast<uint8_t>(byte < 12 ? byte / 3 * 4 + byte % 3 : 128);
  }
  return s;
}

constexpr QuarterShuffles kQuarters = make_quarter_shuffles();

inline Pixels16 split_pixels16(const uint8_t* rgb) {
  const __m512i bytes =
      _mm512_permutexvar_epi32(_mm512_load_si512(kQuarters.spread), _mm512_maskz_loadu_epi32(0xfff, rgb));
  return {_mm512_shuffle_epi8(bytes, _mm512_load_si512(kQuarters.split[0])),
          _mm512_shuffle_epi8(bytes, _mm512_load_si512(kQuarters.split[1])),
          _mm512_shuffle_epi8(bytes, _mm512_load_si512(kQuarters.split[2]))};
}

// Numbers of 0..255.
inline void join_pixels16(const Pixels16& p, uint8_t* rgb) {
  const __m512i gb = _mm512_or_si512(_mm512_slli_epi32(p.g, 8), _mm512_slli_epi32(p.b, 16));
  const __m512i bytes = _mm512_shuffle_epi8(_mm512_or_si512(p.r, gb), _mm512_load_si512(kQuarters.join));
  const __m512i together = _mm512_permutexvar_epi32(_mm512_load_si512(kQuarters.gather), bytes);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(rgb), _mm512_castsi512_si256(together));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(rgb + 32), _mm512_extracti32x4_epi32(together, 2));
}

inline __m512 load16_as_float(const uint8_t* p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
#endif

// rgb[3*i+c] = channel c of pixel i
inline void interleave3(const uint8_t* r, const uint8_t* g, const uint8_t* b, uint8_t* rgb, int64_t n) {
  int64_t i = 0;
#if defined(__SSSE3__)
  for (; i + 16 <= n; i += 16) {
    const __m128i a = _mm_loadu_si128(reinterpret_cast<const __m128i*>(r + i));
    const __m128i c = _mm_loadu_si128(reinterpret_cast<const __m128i*>(g + i));
    const __m128i d = _mm_loadu_si128(reinterpret_cast<const __m128i*>(b + i));
    store16(a, c, d, rgb + 3 * i);
  }
#endif
  for (; i < n; ++i) {
    rgb[3 * i] = r[i];
    rgb[3 * i + 1] = g[i];
    rgb[3 * i + 2] = b[i];
  }
}

inline void deinterleave3(const uint8_t* rgb, uint8_t* r, uint8_t* g, uint8_t* b, int64_t n) {
  int64_t i = 0;
#if defined(__SSSE3__)
  for (; i + 16 <= n; i += 16) {
    const auto* in = reinterpret_cast<const __m128i*>(rgb + 3 * i);
    const __m128i x = _mm_loadu_si128(in), y = _mm_loadu_si128(in + 1), z = _mm_loadu_si128(in + 2);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(r + i), shuffle3(x, y, z, kShuffles.split[0]));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(g + i), shuffle3(x, y, z, kShuffles.split[1]));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(b + i), shuffle3(x, y, z, kShuffles.split[2]));
  }
#endif
  for (; i < n; ++i) {
    r[i] = rgb[3 * i];
    g[i] = rgb[3 * i + 1];
    b[i] = rgb[3 * i + 2];
  }
}

// One row of an interleaved image into three planar rows, whatever its strides.
inline void split_row(const uint8_t* row, int64_t step, int64_t channel, uint8_t* r, uint8_t* g, uint8_t* b,
                      int64_t n) {
  if (step == 3 && channel == 1) return deinterleave3(row, r, g, b, n);
  for (int64_t i = 0; i < n; ++i) {
    r[i] = row[i * step];
    g[i] = row[i * step + channel];
    b[i] = row[i * step + 2 * channel];
  }
}

inline void join_row(const uint8_t* r, const uint8_t* g, const uint8_t* b, uint8_t* row, int64_t step, int64_t channel,
                     int64_t n) {
  if (step == 3 && channel == 1) return interleave3(r, g, b, row, n);
  for (int64_t i = 0; i < n; ++i) {
    row[i * step] = r[i];
    row[i * step + channel] = g[i];
    row[i * step + 2 * channel] = b[i];
  }
}

}  // namespace
}  // namespace PA_ISA
}  // namespace pyapdraw
