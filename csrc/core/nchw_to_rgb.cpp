#include "core/check.h"

namespace pyapdraw {

void nchw_to_rgb(const Tensor& image, const Tensor& out, const Context& ctx) {
  check::ndim(image, "image", 3, 3);
  check::dtype(image, "image", {DType::f32});
  check::dtype(out, "out", {DType::u8});
  check::shape(out, "out", {image.shape[1], image.shape[2], image.shape[0]});
  check::same_device(out, "out", image, "image");
  check::output(out, "out");
  check::no_overlap(out, "out", image, "image");
  const Backend& b = backend_for(image);
  require(b, b.nchw_to_rgb, "nchw_to_rgb")(image, out, ctx);
}

}  // namespace pyapdraw
