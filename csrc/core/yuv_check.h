#pragma once
#include "core/check.h"

namespace pyapdraw {
namespace check {

// u and v: equal shapes, each axis full or half (rounded up) the luma size.
inline void chroma(const Tensor& y, const Tensor& u, const Tensor& v) {
  ndim(u, "u", 2, 2);
  same_shape(v, "v", u, "u");
  for (int i = 0; i < 2; ++i) {
    const int64_t full = y.shape[i], half = (full + 1) / 2;
    if (u.shape[i] != full && u.shape[i] != half)
      fail("u", "shape " + shape_text(u) + " given for luma " + shape_text(y) +
                    ", each axis of full or half size (rounded up) expected");
  }
}

// Planes to be read: dtypes after the format's bits.
inline void planes(const Tensor& y, const Tensor& u, const Tensor& v, const YuvFormat& format) {
  ndim(y, "y", 2, 2);
  if (format.bits == 8)
    dtype(y, "y", {DType::u8});
  else if (format.bits > 8 && format.bits <= 16)
    dtype(y, "y", {DType::u16});
  else
    fail("bits", std::to_string(format.bits) + " given, 8 to 16 expected");
  dtype(u, "u", {y.dtype});
  dtype(v, "v", {y.dtype});
  chroma(y, u, v);
  for (const Tensor* t : {&u, &v}) same_device(*t, "planes", y, "y");
}

}  // namespace check
}  // namespace pyapdraw
