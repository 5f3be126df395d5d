#pragma once
// The activations of StyleGAN2 as scalar arithmetic, shared by CPU and CUDA: values, and derivatives from what a
// forward pass keeps. Branch-free in float32, so that loops over them vectorise. Own polynomials, fitted by least
// squares at Chebyshev nodes; each function within 4 ulp of its float64 value. float64 takes the C library's functions.
#include <cmath>
#include <cstdint>
#include <cstring>

#include "core/math.h"
#include "pyapdraw/ops.h"

namespace pyapdraw {
namespace act {

PA_HD uint32_t bits_of(float x) {
  uint32_t u;
  std::memcpy(&u, &x, 4);
  return u;
}
PA_HD float from_bits(uint32_t u) {
  float x;
  std::memcpy(&x, &u, 4);
  return x;
}
PA_HD float magnitude(float x) { return from_bits(bits_of(x) & 0x7fffffffu); }
PA_HD double magnitude(double x) { return std::fabs(x); }

// exp(x) = 2^n exp(r) with |r| <= log(2)/2; 2^n in two factors, so that both ends of the range come out.
PA_HD float exponential(float x) {
  const float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, held in the low bits
  float v = x < -104.0f ? -104.0f : x;
  v = v > 89.0f ? 89.0f : v;
  const float shifted = v * 1.44269504f + kRound, n = shifted - kRound;
  const float r = (v - n * 0.693359375f) - n * -2.12194440e-4f;  // log(2) in two parts, the first exact in n
  const float q = 0.5f + r * (0.16666573f + r * (0.04166646f + r * (0.00836378f + r * 0.00139345f)));
  const float e = 1.0f + (r + r * r * q);
  const uint32_t whole = bits_of(shifted) - bits_of(kRound) + 512u;  // n + 512 > 0
  const uint32_t half = whole >> 1;
  const float a = from_bits((half - 256u + 127u) << 23), b = from_bits((whole - half - 256u + 127u) << 23);
  return e * a * b;
}
PA_HD double exponential(double x) { return std::exp(x); }

PA_HD float tanh_of(float x) {
  const float a = magnitude(x), z = x * x;
  const float small =
      x + x * z * (-0.33333328f + z * (0.13332679f + z * (-0.05383702f + z * (0.02093142f - z * 0.0060018f))));
  const float e = exponential(-2.0f * a), large = (1.0f - e) / (1.0f + e);
  const float large_signed = from_bits(bits_of(large) | (bits_of(x) & 0x80000000u));
  return a < 0.6f ? small : large_signed;
}
PA_HD double tanh_of(double x) { return std::tanh(x); }

// exp(x) - 1 for x <= 0, without cancellation.
PA_HD float expm1_negative(float x) {
  const float t = tanh_of(0.5f * x);
  return 2.0f * t / (1.0f - t);
}
PA_HD double expm1_negative(double x) { return std::expm1(x); }

// log(1 + z) for 0 <= z <= 1: twice the area tangent of z / (2 + z).
PA_HD float log1p_unit(float z) {
  const float s = z / (2.0f + z), q = s * s;
  return 2.0f *
         (s + s * q * (0.33333334f + q * (0.19999851f + q * (0.14296292f + q * (0.10851658f + q * 0.11619525f)))));
}
PA_HD double log1p_unit(double z) { return std::log1p(z); }

template <typename T>
PA_HD T sigmoid_of(T x) {
  const T e = exponential(-magnitude(x)), s = T(1) / (T(1) + e);
  return x < T(0) ? e * s : s;
}

constexpr double kSeluAlpha = 1.6732632423543772848170429916717, kSeluScale = 1.0507009873554804934193349852946;

// act(x), before gain and clamp.
template <Activation A, typename T>
PA_HD T value(T x, T alpha) {
  if (A == Activation::relu) return x < T(0) ? T(0) : x;  // NaN stays
  if (A == Activation::lrelu) return x < T(0) ? x * alpha : x;
  if (A == Activation::tanh) return tanh_of(x);
  if (A == Activation::sigmoid) return sigmoid_of(x);
  if (A == Activation::elu) return x > T(0) ? x : expm1_negative(x);
  if (A == Activation::selu) {
    const T e = T(kSeluAlpha) * expm1_negative(x);
    return T(kSeluScale) * (x > T(0) ? x : e);
  }
  if (A == Activation::softplus) {
    const T positive = x < T(0) ? T(0) : x;
    return positive + log1p_unit(exponential(-magnitude(x)));
  }
  if (A == Activation::swish) return x * sigmoid_of(x);
  return x;
}

// act'(x) from u = act(x); from x itself where needs_input says so.
template <Activation A, typename T>
PA_HD T slope(T u, T alpha) {
  if (A == Activation::relu) return u > T(0) ? T(1) : T(0);
  if (A == Activation::lrelu) return u > T(0) ? T(1) : alpha;
  if (A == Activation::tanh) return T(1) - u * u;
  if (A == Activation::sigmoid) return u * (T(1) - u);
  if (A == Activation::elu) return u > T(0) ? T(1) : u + T(1);
  if (A == Activation::selu) return u > T(0) ? T(kSeluScale) : u + T(kSeluScale * kSeluAlpha);
  if (A == Activation::softplus) return -expm1_negative(-u);
  if (A == Activation::swish) {
    const T s = sigmoid_of(u);
    return s * (T(1) + u * (T(1) - s));
  }
  return T(1);
}

// Whether act' cannot be told from act(x): swish is not monotone, nor is lrelu with a negative slope.
inline bool needs_input(Activation a, double alpha) {
  return a == Activation::swish || (a == Activation::lrelu && alpha < 0);
}

}  // namespace act
}  // namespace pyapdraw
