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

}  // namespace check
}  // namespace pyapdraw
