#pragma once
// Element types of the CUDA kernels: conversions, and one generic lambda in place of a switch.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "pyapdraw/tensor.h"

namespace pyapdraw {
namespace cuda {

__device__ inline float to_float(float x) { return x; }
__device__ inline float to_float(__half x) { return __half2float(x); }
__device__ inline float to_float(__nv_bfloat16 x) { return __bfloat162float(x); }

template <typename T>
__device__ inline T from_float(float x);
template <>
__device__ inline float from_float<float>(float x) {
  return x;
}
template <>
__device__ inline __half from_float<__half>(float x) {
  return __float2half_rn(x);
}
template <>
__device__ inline __nv_bfloat16 from_float<__nv_bfloat16>(float x) {
  return __float2bfloat16_rn(x);
}

// The type that sums of T are kept in.
template <typename T>
struct WideOf {
  using type = float;
};
template <>
struct WideOf<double> {
  using type = double;
};
template <typename T>
using Wide = typename WideOf<T>::type;

template <typename T>
__device__ inline Wide<T> widen(T x) {
  return to_float(x);
}
template <>
__device__ inline double widen<double>(double x) {
  return x;
}
template <typename T>
__device__ inline T narrow(Wide<T> x) {
  return from_float<T>(x);
}
template <>
__device__ inline double narrow<double>(double x) {
  return x;
}

// f(T{}) for the element type of a tensor whose dtype has been checked.
template <typename F>
inline void for_float_type(DType t, F&& f) {
  if (t == DType::f16)
    f(__half{});
  else if (t == DType::bf16)
    f(__nv_bfloat16{});
  else
    f(float{});
}

// The same where float64 is allowed too.
template <typename F>
inline void for_wide_float_type(DType t, F&& f) {
  if (t == DType::f64)
    f(double{});
  else
    for_float_type(t, f);
}

}  // namespace cuda
}  // namespace pyapdraw
