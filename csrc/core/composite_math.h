#pragma once
// The one formula of composite, shared by CPU and CUDA.
#include <cstdint>

#include "core/math.h"

namespace pyapdraw {

// round(t / 255) for t in 0..65025: exact, as t/255 is never half way between integers.
// (s + s/256)/256 with s = t + 128: J. Blinn, "Three Wrongs Make a Right", IEEE CG&A 15(6), 1995.
PA_HD uint8_t blend_bytes(uint8_t drawing, uint8_t alpha, uint8_t background) {
  const uint16_t s = static_cast<uint16_t>(drawing * alpha + background * (255 - alpha) + 128);
  return static_cast<uint8_t>(static_cast<uint16_t>(s + (s >> 8)) >> 8);
}

PA_HD float blend_floats(float drawing, float alpha, float background) {
  return background + (drawing - background) * alpha;
}

}  // namespace pyapdraw
