#include "core/check.h"

namespace pyapdraw {

void guided_upsample(const Tensor& coarse, const Tensor& image, const Tensor& out, int radius, float epsilon,
                     float gain, const Context& ctx) {
  check::ndim(coarse, "coarse", 2, 2);
  check::dtype(coarse, "coarse", {DType::f32});
  check::ndim(image, "image", 3, 3);
  check::dtype(image, "image", {DType::u8});
  PA_CHECK(image.shape[2] == 3, "image", "shape " + check::shape_text(image) + " given, [H,W,3] expected");
  check::dtype(out, "out", {DType::u8});
  check::shape(out, "out", {image.shape[0], image.shape[1]});
  PA_CHECK(radius >= 0, "radius", std::to_string(radius) + " given, at least 0 expected");
  PA_CHECK(epsilon > 0, "epsilon", std::to_string(epsilon) + " given, a positive number expected");
  check::same_device(image, "image", coarse, "coarse");
  check::same_device(out, "out", coarse, "coarse");
  check::output(out, "out");
  const Backend& b = backend_for(coarse);
  const auto run = require(b, b.guided_upsample, "guided_upsample");
  if (out.numel() == 0) return;
  PA_CHECK(coarse.numel() > 0, "coarse", "shape " + check::shape_text(coarse) + " given, at least one cell expected");
  check::no_overlap(out, "out", coarse, "coarse");
  check::no_overlap(out, "out", image, "image");
  run(coarse, image, out, radius, epsilon, gain, ctx);
}

}  // namespace pyapdraw
