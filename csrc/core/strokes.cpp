#include "core/check.h"

namespace pyapdraw {

void strokes(const Tensor& points, const Tensor& page, const Context& ctx) {
  check::ndim(points, "points", 2, 2);
  check::shape(points, "points", {points.shape[0], 4});
  check::dtype(points, "points", {DType::f32});
  PA_CHECK(points.contiguous(), "points", "is not contiguous, one block of memory expected");
  check::ndim(page, "page", 2, 2);
  check::dtype(page, "page", {DType::u8});
  check::same_device(page, "page", points, "points");
  check::output(page, "page");
  check::no_overlap(page, "page", points, "points");
  const Backend& b = backend_for(page);
  const auto run = require(b, b.strokes, "strokes");
  if (points.numel() == 0 || page.numel() == 0) return;
  run(points, page, ctx);
}

}  // namespace pyapdraw
