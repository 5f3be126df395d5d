#include "core/check.h"

namespace pyapdraw {

void local_contrast(const Tensor& image, const Tensor& out, int cell, float flat, const Context& ctx) {
  check::ndim(image, "image", 3, 3);
  check::dtype(image, "image", {DType::u8});
  PA_CHECK(image.shape[2] == 3, "image", "shape " + check::shape_text(image) + " given, [H,W,3] expected");
  check::dtype(out, "out", {DType::f32});
  check::shape(out, "out", {image.shape[0], image.shape[1]});
  PA_CHECK(cell >= 1, "cell", std::to_string(cell) + " given, at least 1 expected");
  PA_CHECK(
      image.shape[0] % cell == 0 && image.shape[1] % cell == 0, "image",
      "shape " + check::shape_text(image) + " given, sides of whole cells of " + std::to_string(cell) + " px expected");
  PA_CHECK(flat > 0, "flat", std::to_string(flat) + " given, a positive number expected");
  check::same_device(out, "out", image, "image");
  check::output(out, "out");
  const Backend& b = backend_for(image);
  const auto run = require(b, b.local_contrast, "local_contrast");
  if (out.numel() == 0) return;
  check::no_overlap(out, "out", image, "image");
  run(image, out, cell, flat, ctx);
}

}  // namespace pyapdraw
