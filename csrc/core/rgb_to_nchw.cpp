#include "core/check.h"

namespace pyapdraw {

void rgb_to_nchw(const Tensor& image, const Tensor& out, const Context& ctx) {
  check::ndim(image, "image", 3, 3);
  check::dtype(image, "image", {DType::u8});
  check::dtype(out, "out", {DType::f32});
  check::shape(out, "out", {image.shape[2], image.shape[0], image.shape[1]});
  check::same_device(out, "out", image, "image");
  check::output(out, "out");
  check::no_overlap(out, "out", image, "image");
  const Backend& b = backend_for(image);
  require(b, b.rgb_to_nchw, "rgb_to_nchw")(image, out, ctx);
}

}  // namespace pyapdraw
