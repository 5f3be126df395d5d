#pragma once
// What __half and __nv_bfloat16 have in common: arithmetic by way of float (exact but for one rounding), pairs, and the
// functions of both. The types themselves and their conversions are in cuda_fp16.h and cuda_bf16.h.
#include <cuda_runtime.h>

namespace emulated {

template <typename T>
float half_bits_to_float(uint16_t bits);
template <typename T>
uint16_t float_to_half_bits(float f);

}  // namespace emulated

#define EMULATED_FLOAT16(S, S2, to_s, from_s, name)                                                        \
  struct alignas(2) S {                                                                                    \
    uint16_t bits;                                                                                         \
    S() = default;                                                                                         \
    S(float f) : bits(emulated::float_to_half_bits<S>(f)) {}                                               \
    S(double f) : S(static_cast<float>(f)) {}                                                              \
    S(int i) : S(static_cast<float>(i)) {}                                                                 \
    S(unsigned i) : S(static_cast<float>(i)) {}                                                            \
    operator float() const { return emulated::half_bits_to_float<S>(bits); }                               \
    S& operator+=(S o) { return *this = S(float(*this) + float(o)); }                                      \
    S& operator-=(S o) { return *this = S(float(*this) - float(o)); }                                      \
    S& operator*=(S o) { return *this = S(float(*this) * float(o)); }                                      \
    S& operator/=(S o) { return *this = S(float(*this) / float(o)); }                                      \
  };                                                                                                       \
  struct alignas(4) S2 {                                                                                   \
    S x, y;                                                                                                \
    S2() = default;                                                                                        \
    S2(S x, S y) : x(x), y(y) {}                                                                           \
  };                                                                                                       \
  inline S operator+(S a, S b) { return S(float(a) + float(b)); }                                          \
  inline S operator-(S a, S b) { return S(float(a) - float(b)); }                                          \
  inline S operator*(S a, S b) { return S(float(a) * float(b)); }                                          \
  inline S operator/(S a, S b) { return S(float(a) / float(b)); }                                          \
  inline bool operator==(S a, S b) { return float(a) == float(b); }                                        \
  inline bool operator!=(S a, S b) { return float(a) != float(b); }                                        \
  inline bool operator<(S a, S b) { return float(a) < float(b); }                                          \
  inline bool operator>(S a, S b) { return float(a) > float(b); }                                          \
  inline bool operator<=(S a, S b) { return float(a) <= float(b); }                                        \
  inline bool operator>=(S a, S b) { return float(a) >= float(b); }                                        \
  inline S __hneg(S a) {                                                                                   \
    a.bits ^= 0x8000;                                                                                      \
    return a;                                                                                              \
  }                                                                                                        \
  inline S __habs(S a) {                                                                                   \
    a.bits &= 0x7fff;                                                                                      \
    return a;                                                                                              \
  }                                                                                                        \
  inline S operator-(S a) { return __hneg(a); }                                                            \
  inline S __hadd(S a, S b) { return a + b; }                                                              \
  inline S __hsub(S a, S b) { return a - b; }                                                              \
  inline S __hmul(S a, S b) { return a * b; }                                                              \
  inline S __hdiv(S a, S b) { return a / b; }                                                              \
  inline S __hfma(S a, S b, S c) { return S(static_cast<float>(double(float(a)) * float(b) + float(c))); } \
  inline S __hmin(S a, S b) { return S(std::fmin(float(a), float(b))); }                                   \
  inline S __hmax(S a, S b) { return S(std::fmax(float(a), float(b))); }                                   \
  inline S __hmin_nan(S a, S b) { return a != a ? a : b != b ? b : __hmin(a, b); }                         \
  inline S __hmax_nan(S a, S b) { return a != a ? a : b != b ? b : __hmax(a, b); }                         \
  inline bool __heq(S a, S b) { return a == b; }                                                           \
  inline bool __hne(S a, S b) { return a != b; }                                                           \
  inline bool __hlt(S a, S b) { return a < b; }                                                            \
  inline bool __hle(S a, S b) { return a <= b; }                                                           \
  inline bool __hgt(S a, S b) { return a > b; }                                                            \
  inline bool __hge(S a, S b) { return a >= b; }                                                           \
  inline bool __hisnan(S a) { return a != a; }                                                             \
  inline S2 __floats2##name##2_rn(float a, float b) { return {S(a), S(b)}; }                               \
  inline S2 __float22##name##2_rn(float2 v) { return {S(v.x), S(v.y)}; }                                   \
  inline S2 __float2##name##2_rn(float v) { return {S(v), S(v)}; }                                         \
  inline float2 __##name##22float2(S2 v) { return make_float2(float(v.x), float(v.y)); }                   \
  inline S2 __##name##2##name##2(S v) { return {v, v}; }                                                   \
  inline S2 __halves2##name##2(S a, S b) { return {a, b}; }                                                \
  inline S __low2##name(S2 v) { return v.x; }                                                              \
  inline S __high2##name(S2 v) { return v.y; }                                                             \
  inline float __low2float(S2 v) { return v.x; }                                                           \
  inline float __high2float(S2 v) { return v.y; }                                                          \
  inline S2 __hadd2(S2 a, S2 b) { return {a.x + b.x, a.y + b.y}; }                                         \
  inline S2 __hsub2(S2 a, S2 b) { return {a.x - b.x, a.y - b.y}; }                                         \
  inline S2 __hmul2(S2 a, S2 b) { return {a.x * b.x, a.y * b.y}; }                                         \
  inline S2 __hfma2(S2 a, S2 b, S2 c) { return {__hfma(a.x, b.x, c.x), __hfma(a.y, b.y, c.y)}; }           \
  inline S2 __hmin2(S2 a, S2 b) { return {__hmin(a.x, b.x), __hmin(a.y, b.y)}; }                           \
  inline S2 __hmax2(S2 a, S2 b) { return {__hmax(a.x, b.x), __hmax(a.y, b.y)}; }                           \
  inline S2 __hmin2_nan(S2 a, S2 b) { return {__hmin_nan(a.x, b.x), __hmin_nan(a.y, b.y)}; }               \
  inline S2 __hmax2_nan(S2 a, S2 b) { return {__hmax_nan(a.x, b.x), __hmax_nan(a.y, b.y)}; }               \
  inline S2 __hneg2(S2 a) { return {__hneg(a.x), __hneg(a.y)}; }                                           \
  inline S2 operator+(S2 a, S2 b) { return __hadd2(a, b); }                                                \
  inline S2 operator-(S2 a, S2 b) { return __hsub2(a, b); }                                                \
  inline S2 operator*(S2 a, S2 b) { return __hmul2(a, b); }                                                \
  inline float to_s(S h) { return float(h); }                                                              \
  inline S from_s##_rn(float f) { return S(f); }                                                           \
  inline S from_s(float f) { return S(f); }                                                                \
  inline unsigned short __##name##_as_ushort(S h) { return h.bits; }                                       \
  inline S __ushort_as_##name(unsigned short bits) {                                                       \
    S h;                                                                                                   \
    h.bits = bits;                                                                                         \
    return h;                                                                                              \
  }
