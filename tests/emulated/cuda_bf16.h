#pragma once
// bfloat16: the upper half of a float.
#include "device/float16.h"

struct __nv_bfloat16;

namespace emulated {

template <>
inline float half_bits_to_float<__nv_bfloat16>(uint16_t bits) {
  return bits_of<float>(static_cast<uint32_t>(bits) << 16);
}

template <>
inline uint16_t float_to_half_bits<__nv_bfloat16>(float f) {
  const uint32_t bits = bits_of<uint32_t>(f);
  if (f != f) return 0x7fff;  // as the device's instruction
  return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

}  // namespace emulated

EMULATED_FLOAT16(__nv_bfloat16, __nv_bfloat162, __bfloat162float, __float2bfloat16, bfloat16)
using nv_bfloat16 = __nv_bfloat16;
using nv_bfloat162 = __nv_bfloat162;
