#pragma once
// Arithmetic of fuse_regions that the CPU and CUDA kernels share: where a part lies, what
// "smaller" and "tied" mean, how a weight blends to white, and how a tie splits the gradient.
// Fusing by the largest value is the same with all signs turned: extension is by -1.
#include <cmath>

#include "core/math.h"
#include "pyapdraw/ops.h"

namespace pyapdraw {
namespace fuse {

// A byte of `winners`: bits 0..5 say which of the six images, each extended to the whole
// frame, equals the result; bits 6 and 7 which of the two large ones is visible here and not
// extension.
constexpr int kHair = 4, kBackground = 5;
constexpr unsigned kHairVisible = 64, kBackgroundVisible = 128;
constexpr unsigned kPartBits = 15;

// First frame coordinate of a part. The centre is truncated first, as the official data
// loader does when it stores centres as integers. A centre that is not finite, or absurdly
// far away, puts the part outside every frame.
PA_HD int64_t part_start(double centre, int64_t size) {
  if (!(std::fabs(centre) < 1073741824.0)) return int64_t{1} << 40;
  const int64_t twice = 2 * static_cast<int64_t>(centre) - size;
  return twice >= 0 ? twice / 2 : -((1 - twice) / 2);
}

PA_HD double centre_at(const Tensor& centres, int64_t n, int part, int axis) {
  const int64_t i = n * centres.stride[0] + part * centres.stride[1] + axis * centres.stride[2];
  switch (centres.dtype) {
    case DType::f32: return centres.as<float>()[i];
    case DType::f64: return centres.as<double>()[i];
    case DType::i32: return centres.as<int32_t>()[i];
    default: return static_cast<double>(centres.as<int64_t>()[i]);
  }
}

// What every image is extended with: white for the smallest, black for the largest.
PA_HD float extension(FuseMode mode) { return mode == FuseMode::max ? -1.0f : 1.0f; }

// Minimum (maximum) in which NaN wins: take a in place of the current one m.
PA_HD bool replaces(float a, float m, FuseMode mode) {
  return (mode == FuseMode::max ? !(a <= m) : !(a >= m)) && m == m;
}

// An image of weight w, blended to the extension: exactly x at w = 1 and the extension at 0.
// Rounded after each step, never fused, so that every backend gives the same bits.
PA_HD float blend(float x, float w, float beyond) {
#if defined(__CUDA_ARCH__)
  return __fadd_rn(__fmul_rn(w, x), __fmul_rn(__fadd_rn(1.0f, -w), beyond));
#else
  return w * x + (1.0f - w) * beyond;
#endif
}

PA_HD bool equals(float a, float m) { return a == m || (a != a && m != m); }

// Share of the gradient that image i gets: each tie of the nested minimum, from the
// background (outermost) to the eyes (innermost), gives half to either side.
PA_HD float share(unsigned winners, int i) {
  const unsigned tied = winners & 63;
  if (!(tied >> i & 1)) return 0.0f;
  float s = (tied & ((1u << i) - 1)) ? 0.5f : 1.0f;
  for (unsigned above = tied >> (i + 1); above; above >>= 1)
    if (above & 1) s *= 0.5f;
  return s;
}

}  // namespace fuse
}  // namespace pyapdraw
