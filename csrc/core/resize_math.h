#pragma once
// The triangle filter of resize. For output index i of n_out from n_in source pixels, with
// scale = n_in / n_out and radius = max(1, scale): weights max(0, 1 - |x + 1/2 - c| / radius) at
// source pixels x, c = (i + 1/2) * scale, renormalised to sum 1 over the pixels inside the image.
#include <cmath>
#include <cstdint>

#include "core/math.h"

namespace pyapdraw {

struct TapRange {
  int64_t begin, end;  // source pixels with a weight, at least one
  double centre, radius;
};

PA_HD TapRange tap_range(int64_t i, int64_t n_in, int64_t n_out) {
  const double scale = static_cast<double>(n_in) / static_cast<double>(n_out);
  const double radius = scale > 1.0 ? scale : 1.0;
  const double centre = (static_cast<double>(i) + 0.5) * scale;
  int64_t begin = static_cast<int64_t>(floor(centre - radius + 0.5));
  int64_t end = static_cast<int64_t>(floor(centre + radius + 0.5));
  if (begin < 0) begin = 0;
  if (end > n_in) end = n_in;
  if (end <= begin) end = begin + 1;
  return {begin, end, centre, radius};
}

PA_HD double tap_weight(const TapRange& t, int64_t x) {
  const double d = fabs(static_cast<double>(x) + 0.5 - t.centre) / t.radius;
  return d < 1.0 ? 1.0 - d : 0.0;
}

}  // namespace pyapdraw
