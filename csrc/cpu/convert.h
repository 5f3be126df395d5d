#pragma once
// bfloat16 as a value type of the CPU kernels: conversions that vectorise, rounding to nearest even.
#include <cstdint>
#include <cstring>

#include "cpu/isa.h"
#include "pyapdraw/tensor.h"

namespace pyapdraw {
namespace PA_ISA {

struct Bfloat16 {
  uint16_t bits;
};

inline float to_float(float x) { return x; }
inline float to_float(Bfloat16 x) {
  const uint32_t u = static_cast<uint32_t>(x.bits) << 16;
  float f;
  std::memcpy(&f, &u, 4);
  return f;
}

template <typename T>
inline T from_float(float x);
template <>
inline float from_float<float>(float x) {
  return x;
}
template <>
inline Bfloat16 from_float<Bfloat16>(float x) {
  uint32_t u;
  std::memcpy(&u, &x, 4);
  const uint32_t rounded = (u + 0x7fff + (u >> 16 & 1)) >> 16;
  const uint32_t quiet_nan = u >> 16 | 64;
  return {static_cast<uint16_t>((u & 0x7fffffff) > 0x7f800000 ? quiet_nan : rounded)};
}

// f(T{}) for the element type of a tensor whose dtype has been checked to be one of the two.
template <typename F>
inline void for_float_type(DType t, F&& f) {
  if (t == DType::bf16)
    f(Bfloat16{});
  else
    f(0.0f);
}

}  // namespace PA_ISA
}  // namespace pyapdraw
