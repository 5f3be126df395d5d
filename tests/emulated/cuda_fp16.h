#pragma once
// float16.
#include "device/float16.h"

struct __half;

namespace emulated {

template <>
inline float half_bits_to_float<__half>(uint16_t bits) {
  const uint32_t sign = (bits & 0x8000u) << 16, rest = bits & 0x7fffu;
  if (rest >= 0x7c00u) return bits_of<float>(sign | 0x7f800000u | (rest & 0x3ffu) << 13);
  // Exponent and fraction at their places in a float count from 2^-127 and not from 2^-15.
  const float size = bits_of<float>(rest << 13) * 0x1p112f;
  return bits_of<float>(bits_of<uint32_t>(size) | sign);
}

template <>
inline uint16_t float_to_half_bits<__half>(float f) {
  const uint32_t bits = bits_of<uint32_t>(f), rest = bits & 0x7fffffffu;
  const uint16_t sign = static_cast<uint16_t>(bits >> 16 & 0x8000u);
  if (rest > 0x7f800000u) return 0x7fff;                                  // as the device's instruction
  if (rest >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);  // 65520 and above
  if (rest < 0x38800000u)  // below 2^-14 the last place is 2^-24, that of floats in [0.5, 1)
    return static_cast<uint16_t>(sign | (bits_of<uint32_t>(bits_of<float>(rest) + 0.5f) - 0x3f000000u));
  return static_cast<uint16_t>(sign | (rest - 0x38000000u + 0xfffu + (rest >> 13 & 1)) >> 13);
}

}  // namespace emulated

EMULATED_FLOAT16(__half, __half2, __half2float, __float2half, half)
using half = __half;
using half2 = __half2;
