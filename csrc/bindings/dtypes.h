#pragma once
// Element types and layouts as other libraries name them.
#include <cstring>
#include <string>

#include "bindings/dlpack.h"
#include "pyapdraw/error.h"
#include "pyapdraw/tensor.h"

namespace pyapdraw {
namespace borrow {

inline DType dtype_from(uint8_t code, int bits, const char* what) {
  switch (code) {
    case dlpack::kBool:
      if (bits == 8) return DType::boolean;
      break;
    case dlpack::kUInt:
      if (bits == 8) return DType::u8;
      if (bits == 16) return DType::u16;
      break;
    case dlpack::kInt:
      if (bits == 32) return DType::i32;
      if (bits == 64) return DType::i64;
      break;
    case dlpack::kFloat:
      if (bits == 16) return DType::f16;
      if (bits == 32) return DType::f32;
      if (bits == 64) return DType::f64;
      break;
    case dlpack::kBfloat:
      if (bits == 16) return DType::bf16;
      break;
  }
  throw BadInput(std::string(what) +
                 ": this element type is not supported; bool, uint8, uint16, int32, int64, float16, bfloat16, float32 "
                 "or float64 expected");
}

// One character of the buffer protocol or of a numpy typestr, with its size.
inline DType dtype_from_kind(char kind, int bytes, const char* what) {
  switch (kind) {
    case '?':
    case 'b':
      if (kind == '?' || bytes == 1) return dtype_from(kind == '?' ? dlpack::kBool : dlpack::kInt, 8, what);
      break;
    case 'B':
    case 'H':
    case 'I':
    case 'L':
    case 'Q':
    case 'u': return dtype_from(dlpack::kUInt, bytes * 8, what);
    case 'h':
    case 'i':
    case 'l':
    case 'q': return dtype_from(dlpack::kInt, bytes * 8, what);
    case 'e':
    case 'f':
    case 'd': return dtype_from(dlpack::kFloat, bytes * 8, what);
    default: break;
  }
  return dtype_from(255, 0, what);
}

inline void set_axes(Tensor& t, int ndim, const char* what) {
  if (ndim > kMaxDims)
    throw BadInput(std::string(what) + ": " + std::to_string(ndim) + " axes given, at most 5 expected");
  t.ndim = ndim;
}

inline void set_contiguous(Tensor& t) {
  int64_t step = 1;
  for (int i = t.ndim - 1; i >= 0; --i) {
    t.stride[i] = step;
    step *= t.shape[i];
  }
}

// Of an array without elements no step is ever taken, and producers write there what they like (numpy only zeros, torch
// products of the sides): contiguous for the checks of the core.
inline void settle_empty(Tensor& t) {
  if (t.numel() == 0) set_contiguous(t);
}

}  // namespace borrow
}  // namespace pyapdraw
