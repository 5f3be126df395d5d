#pragma once
// float32 vectors of the width that the instruction set has, loaded from and stored to float32 or bfloat16.
#include <cstdint>

#include "cpu/convert.h"
#include "cpu/intrinsics.h"
#include "cpu/isa.h"

namespace pyapdraw {
namespace PA_ISA {
namespace lanes {

#if defined(__AVX512F__)
constexpr int kCount = 16;
#elif defined(__AVX__)
constexpr int kCount = 8;
#else
constexpr int kCount = 4;
#endif

typedef float Vec __attribute__((vector_size(kCount * 4), aligned(4), may_alias));
typedef uint32_t Bits __attribute__((vector_size(kCount * 4), aligned(4), may_alias));
typedef uint16_t Halves __attribute__((vector_size(kCount * 2), aligned(2), may_alias));

inline Vec all(float x) { return x - Vec{}; }

inline Vec load(const float* p) { return *reinterpret_cast<const Vec*>(p); }
inline Vec load(const Bfloat16* p) {
  const Bits wide = __builtin_convertvector(*reinterpret_cast<const Halves*>(p), Bits);
  return reinterpret_cast<Vec>(wide << 16);
}

// Rounded to nearest even; NaN stays NaN.
inline Halves narrow(Vec x) {
  const Bits u = reinterpret_cast<Bits>(x);
  const Bits rounded = (u + 0x7fff + (u >> 16 & 1)) >> 16, quiet = u >> 16 | 64;
  return __builtin_convertvector((u & 0x7fffffff) > 0x7f800000 ? quiet : rounded, Halves);
}

inline void store(float* p, Vec x) { *reinterpret_cast<Vec*>(p) = x; }

inline void store(Bfloat16* p, Vec x) { *reinterpret_cast<Halves*>(p) = narrow(x); }

// table[index], each index below kCount.
inline Vec pick(Vec table, Bits index) {
#if defined(__AVX512F__)
  return reinterpret_cast<Vec>(
      _mm512_permutexvar_ps(reinterpret_cast<__m512i>(index), reinterpret_cast<__m512>(table)));
#elif defined(__AVX2__)
  return reinterpret_cast<Vec>(
      _mm256_permutevar8x32_ps(reinterpret_cast<__m256>(table), reinterpret_cast<__m256i>(index)));
#else
  Vec out;
  for (int i = 0; i < kCount; ++i) out[i] = table[index[i]];
  return out;
#endif
}

// Past the caches; p is aligned to the vector. A fence is due afterwards (cpu/stream.h).
inline void stream(float* p, Vec x) {
#if defined(__AVX512F__)
  _mm512_stream_ps(p, reinterpret_cast<__m512>(x));
#elif defined(__AVX__)
  _mm256_stream_ps(p, reinterpret_cast<__m256>(x));
#elif defined(__SSE2__)
  _mm_stream_ps(p, reinterpret_cast<__m128>(x));
#else
  store(p, x);
#endif
}

// Elements by which p lies beyond a multiple of the vector.
inline int64_t misalignment(const float* p) {
  return static_cast<int64_t>(reinterpret_cast<uintptr_t>(p) / 4 % kCount);
}

}  // namespace lanes
}  // namespace PA_ISA
}  // namespace pyapdraw
