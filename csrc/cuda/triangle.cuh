#pragma once
// One pixel of a resized image, summed directly from its source rectangle.
#include "core/resize_math.h"
#include "pyapdraw/tensor.h"

namespace pyapdraw {
namespace cuda {
namespace {

template <typename T>
__device__ float triangle_sum(const Tensor& image, int64_t c, const TapRange& across, const TapRange& down) {
  float sum = 0.0f, weight = 0.0f;
  for (int64_t y = down.begin; y < down.end; ++y) {
    const T* row = image.as<T>() + y * image.stride[0] + c * image.stride[2];
    const float wy = static_cast<float>(tap_weight(down, y));
    float line = 0.0f, line_weight = 0.0f;
    for (int64_t x = across.begin; x < across.end; ++x) {
      const float wx = static_cast<float>(tap_weight(across, x));
      line += wx * static_cast<float>(row[x * image.stride[1]]);
      line_weight += wx;
    }
    sum += wy * line;
    weight += wy * line_weight;
  }
  return sum / weight;
}

__device__ inline void store(float v, float* out) { *out = v; }
__device__ inline void store(float v, uint8_t* out) {
  *out = static_cast<uint8_t>(static_cast<int32_t>((v < 255.0f ? v : 255.0f) + 0.5f));
}

}  // namespace
}  // namespace cuda
}  // namespace pyapdraw
