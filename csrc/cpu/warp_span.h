#pragma once
// Which part of an image a warp reads.
#include "core/warp_affine_math.h"
#include "cpu/planes.h"

namespace pyapdraw {
namespace PA_ISA {
namespace {

struct Span {
  int64_t begin, end;
};

// Range of taps along one axis that the output can touch, inside the image.
inline Span touched(const double* m, Size size, int64_t n) {
  double low = INFINITY, high = -INFINITY;
  for (int corner = 0; corner < 4; ++corner) {
    const double s = map_axis(m, corner & 1 ? static_cast<double>(size.w - 1) : 0.0,
                              corner & 2 ? static_cast<double>(size.h - 1) : 0.0);
    low = s < low ? s : low;
    high = s > high ? s : high;
  }
  const int64_t a = static_cast<int64_t>(std::floor(clamp_axis(low, n))) - 1,
                b = static_cast<int64_t>(std::floor(clamp_axis(high, n))) + 3;
  return {nearest_index(a, n), nearest_index(b, n) + 1};
}

}  // namespace
}  // namespace PA_ISA
}  // namespace pyapdraw
