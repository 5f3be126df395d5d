#pragma once
#include "core/check.h"

namespace pyapdraw {
namespace check {

// image and out: [H,W] or [H,W,C] of one dtype, with the same channels; sizes may differ.
inline void image_pair(const Tensor& image, const Tensor& out) {
  ndim(image, "image", 2, 3);
  dtype(image, "image", {DType::u8, DType::f32});
  dtype(out, "out", {image.dtype});
  ndim(out, "out", image.ndim, image.ndim);
  if (image.ndim == 3 && out.shape[2] != image.shape[2])
    fail("out",
         "shape " + shape_text(out) + " given, the " + std::to_string(image.shape[2]) + " channels of image expected");
  for (const Tensor* t : {&image, &out})
    for (int i = 0; i < 2; ++i)
      PA_CHECK(t->shape[i] < (int64_t{1} << 31), t == &image ? "image" : "out",
               "shape " + shape_text(*t) + " given, sides below 2^31 expected");
  same_device(out, "out", image, "image");
  output(out, "out");
  no_overlap(out, "out", image, "image");
}

}  // namespace check
}  // namespace pyapdraw
