#pragma once
// Arithmetic of the distance transform that the CPU and CUDA kernels share. Squared distances
// are integers: rounding happens once, at the very end.
#include <cmath>

#include "core/math.h"
#include "pyapdraw/tensor.h"

namespace pyapdraw {
namespace distance {

constexpr int64_t kMaxSide = int64_t{1} << 30;  // squares and their differences stay below 2^63

// Final value of a squared distance, of any integer type. A float holds integers to 2^24 exactly, so the double root
// is only needed above; rounding it to float gives the correctly rounded root for sides to 65,536.
template <typename I>
PA_HD float finish(I squared_distance, bool squared) {
  if (squared) return static_cast<float>(squared_distance);
  if (squared_distance < (I{1} << 24)) return sqrtf(static_cast<float>(squared_distance));
  return static_cast<float>(sqrt(static_cast<double>(squared_distance)));
}

// With spacings, squares are doubles in units of the horizontal spacing.
PA_HD double spaced_square(int64_t rows, double spacing_y, double spacing_x) {
  const double d = static_cast<double>(rows) * (spacing_y / spacing_x);
  return d * d;
}
PA_HD float finish_spaced(double square, double spacing_x, bool squared) {
  const double d2 = square * (spacing_x * spacing_x);
  return static_cast<float>(squared ? d2 : sqrt(d2));
}

// Whether all squared distances of an image are below the limit.
PA_HD bool squares_below(int64_t height, int64_t width, int64_t limit) {
  return (height - 1) * (height - 1) + (width - 1) * (width - 1) < limit;
}

// Steps of the 5x5 chamfer distance in 16 fractional bits, and the largest value.
namespace chamfer {
constexpr uint32_t kSide = 65536, kDiagonal = 91750, kKnight = 143976;  // round(weight * 2^16)
constexpr uint32_t kMost = 4294967295u - kKnight;

PA_HD float finish(uint32_t distance) { return static_cast<float>(distance) * (1.0f / 65536); }

}  // namespace chamfer

}  // namespace distance
}  // namespace pyapdraw
