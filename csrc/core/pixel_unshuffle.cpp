#include "core/check.h"

namespace pyapdraw {

void pixel_unshuffle(const Tensor& x, const Tensor& out, const Context& ctx) {
  check::ndim(x, "x", 3, 3);
  check::dtype(x, "x", {DType::f32});
  PA_CHECK(x.shape[1] % 2 == 0 && x.shape[2] % 2 == 0, "x",
           "shape " + check::shape_text(x) + " given, even sides expected");
  check::dtype(out, "out", {DType::f32});
  check::shape(out, "out", {x.shape[1] / 2, x.shape[2] / 2, 4 * x.shape[0]});
  PA_CHECK(out.shape[2] == 0 || out.stride[2] == 1, "out",
           "channels are not adjacent in memory, layout [H,W,C] expected");
  check::same_device(out, "out", x, "x");
  check::output(out, "out");
  const Backend& b = backend_for(x);
  const auto run = require(b, b.pixel_unshuffle, "pixel_unshuffle");
  if (out.numel() == 0) return;
  check::no_overlap(out, "out", x, "x");
  run(x, out, ctx);
}

}  // namespace pyapdraw
