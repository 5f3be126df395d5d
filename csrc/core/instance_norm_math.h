#pragma once
// From the sums of a map to its normalised values, shared by CPU and CUDA.
#include <cmath>

#include "core/math.h"

namespace pyapdraw {
namespace instance {

// A normalised value is (x - centre) * scale + offset. centre is the mean as a float; what that rounds off is part of
// the offset. Values near the mean thus lose nothing, however far from 0 it lies.
struct Affine {
  float centre, scale, offset;
};

// sum, square: of (x - shift) and its square over the pixels, where shift is the value of any pixel: it lies within
// sqrt(pixels) deviations of the mean, so that the difference below loses at most a factor of `pixels` of float64.
PA_HD Affine affine(double shift, double sum, double square, double pixels, double weight, double bias,
                    double epsilon) {
  const double away = sum / pixels, mean = shift + away;
  double variance = square / pixels - away * away;
  variance = variance < 0 ? 0 : variance;  // by rounding; NaN stays
  Affine a;
  a.centre = static_cast<float>(mean);
  a.scale = static_cast<float>(weight / std::sqrt(variance + epsilon));
  a.offset = static_cast<float>(bias - (mean - static_cast<double>(a.centre)) * static_cast<double>(a.scale));
  return a;
}

}  // namespace instance
}  // namespace pyapdraw
