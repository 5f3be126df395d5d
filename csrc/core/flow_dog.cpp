#include <cmath>

#include "core/check.h"

namespace pyapdraw {

namespace {

constexpr int64_t kLeast = 2, kMost = 8192;

void check_sigma(float sigma, const char* arg, float most) {
  PA_CHECK(sigma >= 0.0f && sigma <= most, arg,
           std::to_string(sigma) + " given, 0 to " + std::to_string(most) + " px expected");
}

}  // namespace

void flow_dog(const Tensor& image, const Tensor& out, const FlowDog& options, const Context& ctx) {
  check::ndim(image, "image", 2, kMaxDims);
  check::dtype(image, "image", {DType::f32});
  check::dtype(out, "out", {DType::f32});
  check::same_shape(out, "out", image, "image");
  check::same_device(out, "out", image, "image");
  check::output(out, "out");
  check::no_overlap(out, "out", image, "image");
  for (int i = image.ndim - 2; i < image.ndim; ++i)
    PA_CHECK(image.shape[i] >= kLeast && image.shape[i] <= kMost, "image",
             "shape " + check::shape_text(image) + " given, 2 to 8192 px a side expected");
  check_sigma(options.fine, "fine_px", 76.0f);
  check_sigma(options.tensor, "tensor_px", 76.0f);
  check_sigma(options.line, "line_px", 76.0f);
  check_sigma(options.flow, "flow_px", 3.5f);
  PA_CHECK(options.reduce >= 1 && options.reduce <= 16, "reduce",
           std::to_string(options.reduce) + " given, 1 to 16 expected");
  const Backend& b = backend_for(image);
  const auto run = require(b, b.flow_dog, "flow_dog");
  if (image.numel() > 0) run(image, out, options, ctx);
}

}  // namespace pyapdraw
