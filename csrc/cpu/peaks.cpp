// Micro-benchmarks of one instruction set: the most it can do, not what an operation does with it.
//
// fma_f32: 12 independent chains of a = a * b + c in registers, enough to hide a latency of 4 to 5 cycles on two units.
// dot_bf16: the same with the bf16 dot product, which x86-64-v4 does not contain: chosen at run time.
// copy: whole vectors, read and written once; the past-caches form stores without reading the target's lines first.
#include "core/peaks.h"

#include "cpu/intrinsics.h"
#include "cpu/isa.h"

namespace pyapdraw {
namespace PA_ISA {

namespace {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif
typedef float Vec __attribute__((vector_size(kLanes * sizeof(float))));
constexpr int kChains = 12;  // as many as EACH_CHAIN names

// Named variables, because an array of them would live in memory.
#define EACH_CHAIN(f) f(a0) f(a1) f(a2) f(a3) f(a4) f(a5) f(a6) f(a7) f(a8) f(a9) f(a10) f(a11)

// Values that the compiler cannot know; their fixed point is 1, so nothing overflows or becomes denormal.
volatile float factor = 0.5f, addend = 0.5f;

float fma_f32(int64_t steps) {
  const Vec b = Vec{} + factor, c = Vec{} + addend;
  float start = 0;
  Vec sum{};
#define DECLARE(a) Vec a = Vec{} + ++start;
#define STEP(a) a = a * b + c;
#define ADD(a) sum += a;
  EACH_CHAIN(DECLARE)
  for (int64_t s = 0; s < steps; ++s) {
    EACH_CHAIN(STEP)
  }
  EACH_CHAIN(ADD)
#undef DECLARE
#undef STEP
#undef ADD
  return sum[0];
}

#if defined(__AVX512F__)
__attribute__((target("avx512bf16"))) float dot_bf16(int64_t steps) {
  const short one = static_cast<short>(0x3f80 + (factor > 1));  // 1.0 in bf16
  const __m512bh b = reinterpret_cast<__m512bh>(_mm512_set1_epi16(one));
  __m512 sum = _mm512_setzero_ps();
#define DECLARE(a) __m512 a = _mm512_setzero_ps();
#define STEP(a) a = _mm512_dpbf16_ps(a, b, b);
#define ADD(a) sum = _mm512_add_ps(sum, a);
  EACH_CHAIN(DECLARE)
  for (int64_t s = 0; s < steps; ++s) {
    EACH_CHAIN(STEP)
    // All chains start alike: without this the compiler would keep only one of them.
#define KEEP(a) asm volatile("" : "+v"(a));
    EACH_CHAIN(KEEP)
  }
  EACH_CHAIN(ADD)
#undef DECLARE
#undef STEP
#undef ADD
#undef KEEP
  return _mm512_cvtss_f32(sum);
}
#endif

void copy(const char* from, char* to, int64_t bytes) {
  const Vec* s = reinterpret_cast<const Vec*>(from);
  Vec* t = reinterpret_cast<Vec*>(to);
  for (int64_t i = 0; i < bytes / static_cast<int64_t>(sizeof(Vec)); i += 4) {
    const Vec a = s[i], b = s[i + 1], c = s[i + 2], d = s[i + 3];
    t[i] = a, t[i + 1] = b, t[i + 2] = c, t[i + 3] = d;
    asm volatile("" ::: "memory");  // a loop, not a call of memcpy
  }
}

void copy_past_caches(const char* from, char* to, int64_t bytes) {
#if defined(__SSE2__)
  for (int64_t i = 0; i < bytes; i += 64) {
#if defined(__AVX512F__)
    _mm512_stream_si512(reinterpret_cast<__m512i*>(to + i), _mm512_load_si512(from + i));
#elif defined(__AVX2__)
    for (int k = 0; k < 64; k += 32)
      _mm256_stream_si256(reinterpret_cast<__m256i*>(to + i + k),
                          _mm256_load_si256(reinterpret_cast<const __m256i*>(from + i + k)));
#else
    for (int k = 0; k < 64; k += 16)
      _mm_stream_si128(reinterpret_cast<__m128i*>(to + i + k),
                       _mm_load_si128(reinterpret_cast<const __m128i*>(from + i + k)));
#endif
  }
  _mm_sfence();
#else
  copy(from, to, bytes);
#endif
}

}  // namespace

#define PA_TEXT2(x) #x
#define PA_TEXT(x) PA_TEXT2(x)

PeakKernels peak_kernels() {
  PeakKernels k{};
  k.name = PA_TEXT(PA_ISA);
  k.flop_per_step = int64_t{2} * kLanes * kChains;
  k.fma_f32 = fma_f32;
#if defined(__AVX512F__)
  k.dot_flop_per_step = int64_t{4} * kLanes * kChains;
  if (__builtin_cpu_supports("avx512bf16")) k.dot_bf16 = dot_bf16;
#endif
  k.copy = copy;
  k.copy_past_caches = copy_past_caches;
  return k;
}

}  // namespace PA_ISA
}  // namespace pyapdraw
