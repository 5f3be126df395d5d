#pragma once
// Arithmetic of local_contrast that the CPU and CUDA kernels share; places between cells are those of guided_upsample.
#include <cmath>

#include "core/guided_upsample_math.h"

namespace pyapdraw {
namespace contrast {

PA_HD float luma(float r, float g, float b) { return (0.299f * r + 0.587f * g + 0.114f * b) * (1 / 127.5f) - 1; }

PA_HD float against(float luma, float mean, float square, float flat) {
  const float spread = square - mean * mean;
  return (luma - mean) / sqrtf((spread > 0 ? spread : 0) + flat * flat);
}

}  // namespace contrast
}  // namespace pyapdraw
