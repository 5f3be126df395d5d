#include "core/yuv_check.h"

namespace pyapdraw {

void rgb_to_yuv(const Tensor& image, const Tensor& y, const Tensor& u, const Tensor& v, const YuvFormat& format,
                const Context& ctx) {
  check::ndim(image, "image", 2, 3);
  check::dtype(image, "image", {DType::u8});
  PA_CHECK(image.ndim == 2 || image.shape[2] == 3, "image",
           "shape " + check::shape_text(image) + " given, [H,W] or [H,W,3] expected");
  PA_CHECK(format.bits == 8, "bits", std::to_string(format.bits) + " given, 8 expected");
  check::shape(y, "y", {image.shape[0], image.shape[1]});
  check::chroma(y, u, v);
  for (const Tensor* t : {&y, &u, &v}) {
    check::dtype(*t, "planes", {DType::u8});
    check::output(*t, "planes");
    check::same_device(*t, "planes", image, "image");
    check::no_overlap(*t, "planes", image, "image");
  }
  check::no_overlap(y, "y", u, "u");  // u against v cannot be told by their extents: NV12 interleaves them
  check::no_overlap(y, "y", v, "v");
  const Backend& b = backend_for(image);
  require(b, b.rgb_to_yuv, "rgb_to_yuv")(image, y, u, v, format, ctx);
}

}  // namespace pyapdraw
