#pragma once
// float16 by way of float: enough for comparisons, selections and products of two.
#include "cuda_runtime.h"

struct __half {
  uint16_t bits;
};
inline float __half2float(__half h) {
  const uint32_t sign = (h.bits & 0x8000u) << 16, exponent = h.bits >> 10 & 31, fraction = h.bits & 1023;
  if (exponent == 0) return std::copysign(std::ldexp(static_cast<float>(fraction), -24), sign ? -1.0f : 1.0f);
  const uint32_t bits = sign | (exponent == 31 ? 255u : exponent + 112) << 23 | fraction << 13;
  float f;
  std::memcpy(&f, &bits, 4);
  return f;
}
inline __half __float2half_rn(float f) {
  uint32_t u;
  std::memcpy(&u, &f, 4);
  const uint16_t sign = u >> 16 & 0x8000u;
  if (f != f) return {static_cast<uint16_t>(sign | 0x7e00)};
  const float a = std::fabs(f);
  if (a >= 65520.0f) return {static_cast<uint16_t>(sign | 0x7c00)};
  int exponent = 0;
  std::frexp(a, &exponent);
  const int shift = exponent - 11 < -24 ? -24 : exponent - 11;  // value of the last place
  const uint32_t places = static_cast<uint32_t>(std::nearbyint(std::ldexp(a, -shift)));
  return {static_cast<uint16_t>(sign | (places + (static_cast<uint32_t>(shift + 24) << 10)))};
}
