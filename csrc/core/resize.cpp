#include "core/image_check.h"

namespace pyapdraw {

void resize(const Tensor& image, const Tensor& out, const Context& ctx) {
  check::image_pair(image, out);
  PA_CHECK(image.numel() > 0 || out.numel() == 0, "image",
           "shape " + check::shape_text(image) + " given, at least one pixel expected");
  const Backend& b = backend_for(image);
  require(b, b.resize, "resize")(image, out, ctx);
}

}  // namespace pyapdraw
