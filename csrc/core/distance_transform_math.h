#pragma once
// Arithmetic of the distance transform that the CPU and CUDA kernels share. Squared distances
// are integers: rounding happens once, at the very end.
#include <cmath>

#include "core/math.h"
#include "pyapdraw/tensor.h"

namespace pyapdraw {
namespace distance {

constexpr int64_t kMaxSide = int64_t{1} << 30;  // squares and their differences stay below 2^63

// Final value of a squared distance. A float holds integers to 2^24 exactly, so the double root
// is only needed above; rounding it to float gives the correctly rounded root for sides to 65,536.
PA_HD float finish(int64_t squared_distance, bool squared) {
  if (squared) return static_cast<float>(squared_distance);
  if (squared_distance < (1 << 24)) return sqrtf(static_cast<float>(squared_distance));
  return static_cast<float>(sqrt(static_cast<double>(squared_distance)));
}

// Whether all squared distances of an image are below the limit.
PA_HD bool squares_below(int64_t height, int64_t width, int64_t limit) {
  return (height - 1) * (height - 1) + (width - 1) * (width - 1) < limit;
}

}  // namespace distance
}  // namespace pyapdraw
