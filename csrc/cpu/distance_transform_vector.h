#pragma once
// Registers of the distance transform: 64 bytes wide with AVX-512, several narrower ones below.
#include <cmath>
#include <cstdint>
#include <cstring>

#include "core/distance_transform_math.h"
#include "cpu/intrinsics.h"
#include "cpu/isa.h"

#pragma GCC diagnostic ignored "-Wpsabi"  // vectors never cross a file, so their calling convention is no matter
namespace pyapdraw {
namespace PA_ISA {
namespace registers {

#if defined(__AVX512BW__)
constexpr int kNative = 64;
#elif defined(__AVX2__)
constexpr int kNative = 32;
#else
constexpr int kNative = 16;
#endif

// 64 bytes of T, in one or more registers of this machine.
template <typename T>
struct Group {
  static constexpr int kCount = 64 / kNative;
  typedef T Native __attribute__((vector_size(kNative)));
  Native v[kCount];
};
using Bytes = Group<uint8_t>;
using Ints = Group<int32_t>;
constexpr int kBytes = 64, kInts = 16;

template <typename V, typename T>
inline V load(const T* p) {
  V v;
  for (int i = 0; i < V::kCount; ++i) std::memcpy(&v.v[i], reinterpret_cast<const char*>(p) + i * kNative, kNative);
  return v;
}
template <typename T, typename V>
inline void store(T* p, V v) {
  for (int i = 0; i < V::kCount; ++i) std::memcpy(reinterpret_cast<char*>(p) + i * kNative, &v.v[i], kNative);
}
template <typename T>
inline Group<T> splat(T x) {
  Group<T> r;
  for (auto& v : r.v) v = typename Group<T>::Native{} + x;
  return r;
}
template <typename T>
inline Group<T> least(Group<T> a, Group<T> b) {
  for (int i = 0; i < a.kCount; ++i) a.v[i] = a.v[i] < b.v[i] ? a.v[i] : b.v[i];
  return a;
}
// a < b ? x : y
template <typename T>
inline Group<T> where_less(Group<T> a, Group<T> b, Group<T> x, Group<T> y) {
  for (int i = 0; i < a.kCount; ++i) x.v[i] = a.v[i] < b.v[i] ? x.v[i] : y.v[i];
  return x;
}
template <typename T>
inline Group<T> operator+(Group<T> a, Group<T> b) {
  for (int i = 0; i < a.kCount; ++i) a.v[i] = a.v[i] + b.v[i];
  return a;
}
template <typename T>
inline Group<T> operator*(Group<T> a, Group<T> b) {
  for (int i = 0; i < a.kCount; ++i) a.v[i] = a.v[i] * b.v[i];
  return a;
}

// One bit a byte that is at least `limit`.
inline uint64_t bits_from(Bytes v, uint8_t limit) {
#if defined(__AVX512BW__)
  return _mm512_cmpge_epu8_mask(reinterpret_cast<__m512i>(v.v[0]), _mm512_set1_epi8(static_cast<char>(limit)));
#else
  uint64_t bits = 0;
  const Bytes least_of = least(v, splat(limit));
  for (int i = 0; i < Bytes::kCount; ++i) {
    const auto from = least_of.v[i] == splat(limit).v[i];
#if defined(__AVX2__)
    const auto m = static_cast<uint32_t>(_mm256_movemask_epi8(reinterpret_cast<__m256i>(from)));
#elif defined(__SSE2__)
    const auto m = static_cast<uint32_t>(_mm_movemask_epi8(reinterpret_cast<__m128i>(from)));
#else
    uint32_t m = 0;
    for (int k = 0; k < kNative; ++k) m |= (from[k] ? 1u : 0u) << k;
#endif
    bits |= static_cast<uint64_t>(m) << (i * kNative);
  }
  return bits;
#endif
}
inline bool any_from(Bytes v, uint8_t limit) { return bits_from(v, limit) != 0; }

// Four bits: which quarters of the register hold a value of at least `limit`.
inline unsigned quarters_from(Bytes v, uint8_t limit) {
  const uint64_t m = bits_from(v, limit);
  return (m & 0xffff ? 1 : 0) | (m >> 16 & 0xffff ? 2 : 0) | (m >> 32 & 0xffff ? 4 : 0) | (m >> 48 ? 8 : 0);
}

inline int32_t smallest(Ints v) {
#if defined(__AVX512F__)
  return _mm512_reduce_min_epi32(reinterpret_cast<__m512i>(v.v[0]));
#else
  for (int i = 1; i < Ints::kCount; ++i) v.v[0] = v.v[0] < v.v[i] ? v.v[0] : v.v[i];
  int32_t m = v.v[0][0];
  for (int i = 1; i < kNative / 4; ++i) m = v.v[0][i] < m ? v.v[0][i] : m;
  return m;
#endif
}

// One bit a lane that equals x.
inline uint32_t equal(Ints v, int32_t x) {
#if defined(__AVX512F__)
  return _mm512_cmpeq_epi32_mask(reinterpret_cast<__m512i>(v.v[0]), _mm512_set1_epi32(x));
#else
  uint32_t bits = 0;
  for (int i = 0; i < Ints::kCount; ++i) {
    const auto same = v.v[i] == splat(x).v[i];
#if defined(__AVX2__)
    const auto m = static_cast<uint32_t>(_mm256_movemask_ps(reinterpret_cast<__m256>(same)));
#elif defined(__SSE2__)
    const auto m = static_cast<uint32_t>(_mm_movemask_ps(reinterpret_cast<__m128>(same)));
#else
    uint32_t m = 0;
    for (int k = 0; k < kNative / 4; ++k) m |= (same[k] ? 1u : 0u) << k;
#endif
    bits |= m << (i * kNative / 4);
  }
  return bits;
#endif
}

// Whether some lane holds at least `limit`.
inline bool any_from(Ints v, int32_t limit) { return equal(least(v, splat(limit)), limit) != 0; }

// Sixteen squared distances -> what is asked for. single: all squares of the image are floats exactly.
inline void finish(Ints d2, bool squared, bool single, float* out) {
  int32_t t[kInts];
  store(t, d2);
  if (squared)
    for (int i = 0; i < kInts; ++i) out[i] = static_cast<float>(t[i]);
  else if (single || !any_from(d2, 1 << 24))
    for (int i = 0; i < kInts; ++i) out[i] = std::sqrt(static_cast<float>(t[i]));
  else
    for (int i = 0; i < kInts; ++i) out[i] = static_cast<float>(std::sqrt(static_cast<double>(t[i])));
}

// The same of bytes, 64 of them: mostly small ones, whose roots are looked up.
inline void finish(Bytes v, bool squared, float* out) {
#if defined(__AVX512F__)
  if (!squared && !any_from(v, 32)) {
    alignas(64) static constexpr float kRoots[32] = {
        0.0f,        1.0f,        1.41421354f, 1.73205078f, 2.0f,        2.23606801f, 2.44948983f, 2.64575124f,
        2.82842708f, 3.0f,        3.1622777f,  3.31662488f, 3.46410155f, 3.60555124f, 3.7416575f,  3.87298346f,
        4.0f,        4.12310553f, 4.2426405f,  4.35889912f, 4.47213602f, 4.5825758f,  4.69041586f, 4.79583168f,
        4.89897966f, 5.0f,        5.09901953f, 5.19615221f, 5.29150248f, 5.38516474f, 5.47722578f, 5.56776428f};
    const __m512 low = _mm512_load_ps(kRoots), high = _mm512_load_ps(kRoots + 16);
    const __m512i bytes = reinterpret_cast<__m512i>(v.v[0]);
    const auto quarter = [&](__m128i q, float* to) {
      _mm512_storeu_ps(to, _mm512_permutex2var_ps(low, _mm512_cvtepu8_epi32(q), high));
    };
    quarter(_mm512_castsi512_si128(bytes), out);
    quarter(_mm512_extracti32x4_epi32(bytes, 1), out + 16);
    quarter(_mm512_extracti32x4_epi32(bytes, 2), out + 32);
    quarter(_mm512_extracti32x4_epi32(bytes, 3), out + 48);
    return;
  }
#endif
  uint8_t d2[kBytes];
  store(d2, v);
  if (squared)
    for (int i = 0; i < kBytes; ++i) out[i] = static_cast<float>(d2[i]);
  else
    for (int i = 0; i < kBytes; ++i) out[i] = std::sqrt(static_cast<float>(d2[i]));
}

// Squares of min(distance, most) in bytes; 0 where the pixel has the colour of the map (ink, or paper).
template <typename G>
inline void near_squares(const G* g, const uint8_t* ink, bool to_ink, uint8_t most, uint8_t* __restrict__ out,
                         int64_t count) {
  int64_t x = 0;
#if defined(__AVX512BW__)
  if constexpr (sizeof(G) == 2) {
    typedef uint16_t Shorts __attribute__((vector_size(64)));
    typedef uint8_t Half __attribute__((vector_size(32)));
    const Half mine = to_ink ? Half{} : ~Half{};
    for (; x + 32 <= count; x += 32) {
      Shorts d;
      Half pixels;
      std::memcpy(&d, g + x, sizeof(d));
      std::memcpy(&pixels, ink + x, sizeof(pixels));
      d = d < most ? d : Shorts{} + most;
      const Half paper = reinterpret_cast<Half>(pixels == 0);
      const Half squares = __builtin_convertvector(d * d, Half) & ~(paper ^ ~mine);
      std::memcpy(out + x, &squares, sizeof(squares));
    }
  }
#endif
  for (; x < count; ++x) {
    const int32_t d = g[x] < most ? static_cast<int32_t>(g[x]) : most;
    out[x] = (ink[x] != 0) == to_ink ? uint8_t{0} : static_cast<uint8_t>(d * d);
  }
}

// A finished row to where it belongs; past the caches when it will not be read from them anyway.
inline void put(const float* row, int64_t count, float* out, int64_t step, bool past_caches) {
  if (step != 1) {
    for (int64_t x = 0; x < count; ++x) out[x * step] = row[x];
    return;
  }
  int64_t x = 0;
#if defined(__SSE2__)
  if (past_caches) {
    while (x < count && reinterpret_cast<uintptr_t>(out + x) % 64 != 0) out[x] = row[x], ++x;
    for (; x + 16 <= count; x += 16)
      for (int i = 0; i < 16; i += 4) _mm_stream_ps(out + x + i, _mm_loadu_ps(row + x + i));
  }
#endif
  if (x < count) std::memcpy(out + x, row + x, static_cast<size_t>(count - x) * sizeof(float));
}
inline void settle(bool past_caches) {
#if defined(__SSE2__)
  if (past_caches) _mm_sfence();
#endif
}

}  // namespace registers
}  // namespace PA_ISA
}  // namespace pyapdraw
