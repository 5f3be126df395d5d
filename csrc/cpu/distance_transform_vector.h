#pragma once
// Registers of the distance transform: 64 bytes wide with AVX-512, several narrower ones below.
#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "core/distance_transform_math.h"
#include "cpu/isa.h"

#pragma GCC diagnostic ignored "-Wpsabi"  // vectors never cross a file, so their calling convention is no matter
namespace pyapdraw {
namespace PA_ISA {
namespace lanes {

constexpr int kBytes = 64, kInts = 16;
typedef uint8_t Bytes __attribute__((vector_size(64)));
typedef int32_t Ints __attribute__((vector_size(64)));

template <typename V, typename T>
inline V load(const T* p) {
  V v;
  std::memcpy(&v, p, sizeof(v));
  return v;
}
template <typename T, typename V>
inline void store(T* p, V v) {
  std::memcpy(p, &v, sizeof(v));
}
inline Bytes least(Bytes a, Bytes b) { return a < b ? a : b; }
inline Ints least(Ints a, Ints b) { return a < b ? a : b; }

// Four bits: which quarters of the register hold a value of at least `limit`.
inline unsigned quarters_from(Bytes v, uint8_t limit) {
#if defined(__AVX512BW__)
  const uint64_t m = _mm512_cmpge_epu8_mask(reinterpret_cast<__m512i>(v), _mm512_set1_epi8(static_cast<char>(limit)));
  return (m & 0xffff ? 1 : 0) | (m >> 16 & 0xffff ? 2 : 0) | (m >> 32 & 0xffff ? 4 : 0) | (m >> 48 ? 8 : 0);
#else
  const auto m = v >= limit;
  uint64_t w[8];
  std::memcpy(w, &m, sizeof(w));
  return (w[0] | w[1] ? 1 : 0) | (w[2] | w[3] ? 2 : 0) | (w[4] | w[5] ? 4 : 0) | (w[6] | w[7] ? 8 : 0);
#endif
}
inline bool any_from(Bytes v, uint8_t limit) {
#if defined(__AVX512BW__)
  return _mm512_cmpge_epu8_mask(reinterpret_cast<__m512i>(v), _mm512_set1_epi8(static_cast<char>(limit))) != 0;
#else
  return quarters_from(v, limit) != 0;
#endif
}

inline int32_t smallest(Ints v) {
#if defined(__AVX512F__)
  return _mm512_reduce_min_epi32(reinterpret_cast<__m512i>(v));
#else
  int32_t t[kInts];
  std::memcpy(t, &v, sizeof(v));
  int32_t m = t[0];
  for (int i = 1; i < kInts; ++i) m = t[i] < m ? t[i] : m;
  return m;
#endif
}

// One bit a lane that equals x.
inline uint32_t equal(Ints v, int32_t x) {
#if defined(__AVX512F__)
  return _mm512_cmpeq_epi32_mask(reinterpret_cast<__m512i>(v), _mm512_set1_epi32(x));
#else
  int32_t t[kInts];
  std::memcpy(t, &v, sizeof(v));
  uint32_t m = 0;
  for (int i = 0; i < kInts; ++i) m |= static_cast<uint32_t>(t[i] == x) << i;
  return m;
#endif
}

// Whether some lane holds at least `limit`.
inline bool any_from(Ints v, int32_t limit) {
#if defined(__AVX512F__)
  return _mm512_cmpge_epi32_mask(reinterpret_cast<__m512i>(v), _mm512_set1_epi32(limit)) != 0;
#else
  const auto m = v >= limit;
  uint64_t w[8];
  std::memcpy(w, &m, sizeof(w));
  return (w[0] | w[1] | w[2] | w[3] | w[4] | w[5] | w[6] | w[7]) != 0;
#endif
}

// Sixteen squared distances -> what is asked for. single: all squares of the image are floats exactly.
inline void finish(Ints d2, bool squared, bool single, float* out) {
  int32_t t[kInts];
  std::memcpy(t, &d2, sizeof(d2));
  if (squared)
    for (int i = 0; i < kInts; ++i) out[i] = static_cast<float>(t[i]);
  else if (single || !any_from(d2, 1 << 24))
    for (int i = 0; i < kInts; ++i) out[i] = std::sqrt(static_cast<float>(t[i]));
  else
    for (int i = 0; i < kInts; ++i) out[i] = static_cast<float>(std::sqrt(static_cast<double>(t[i])));
}

// The same of bytes, 64 of them.
inline void finish(const uint8_t* d2, bool squared, float* out) {
  if (squared)
    for (int i = 0; i < kBytes; ++i) out[i] = static_cast<float>(d2[i]);
  else
    for (int i = 0; i < kBytes; ++i) out[i] = std::sqrt(static_cast<float>(d2[i]));
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

// Memory of one thread that is handed out in pieces.
class Pieces {
 public:
  explicit Pieces(void* memory) : next_(static_cast<char*>(memory)) {}
  template <typename T>
  static size_t bytes(int64_t count) {
    return (static_cast<size_t>(count) * sizeof(T) + 127) / 64 * 64;
  }
  template <typename T>
  T* take(int64_t count) {
    T* piece = reinterpret_cast<T*>(next_);
    next_ += bytes<T>(count);
    return piece;
  }

 private:
  char* next_;
};

}  // namespace lanes
}  // namespace PA_ISA
}  // namespace pyapdraw
