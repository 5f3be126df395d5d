#include "core/check.h"

namespace pyapdraw {

void add_prelu(const Tensor& x, const Tensor& other, const Tensor& slope, const Context& ctx) {
  check::channels_last(x, "x");
  check::channels_last(other, "other");
  PA_CHECK(other.shape[3] <= x.shape[3], "other",
           "shape " + check::shape_text(other) + " given, at most the channels of x, " + check::shape_text(x) +
               ", expected");
  check::shape(other, "other", {x.shape[0], x.shape[1], x.shape[2], other.shape[3]});
  check::dtype(slope, "slope", {DType::f32});
  check::shape(slope, "slope", {x.shape[3]});
  PA_CHECK(slope.contiguous(), "slope", "is not contiguous");
  check::same_device(other, "other", x, "x");
  check::same_device(slope, "slope", x, "x");
  check::output(x, "x");
  const Backend& b = backend_for(x);
  const auto run = require(b, b.add_prelu, "add_prelu");
  if (x.numel() == 0) return;
  check::no_overlap(x, "x", other, "other");
  check::no_overlap(x, "x", slope, "slope");
  run(x, other, slope, ctx);
}

}  // namespace pyapdraw
