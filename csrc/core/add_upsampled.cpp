#include "core/check.h"

namespace pyapdraw {

void add_upsampled(const Tensor& x, const Tensor& coarse, int top, int left, float slope, Enlarged how,
                   const Context& ctx) {
  check::channels_last(x, "x");
  check::channels_last(coarse, "coarse");
  PA_CHECK(top == 0 || top == 1, "top", std::to_string(top) + " given, 0 or 1 expected");
  PA_CHECK(left == 0 || left == 1, "left", std::to_string(left) + " given, 0 or 1 expected");
  const auto half = [](int64_t first, int64_t size) { return size ? (first + size + 1) / 2 : 0; };
  check::shape(coarse, "coarse", {x.shape[0], half(top, x.shape[1]), half(left, x.shape[2]), x.shape[3]});
  if (how == Enlarged::bilinear) {
    PA_CHECK(top == 0, "top", "1 given, 0 expected where it is bilinear");
    PA_CHECK(left == 0, "left", "1 given, 0 expected where it is bilinear");
    PA_CHECK(x.shape[1] % 2 == 0 && x.shape[2] % 2 == 0, "x",
             "shape " + check::shape_text(x) + " given, even sides expected where it is bilinear");
  }
  check::same_device(coarse, "coarse", x, "x");
  check::output(x, "x");
  const Backend& b = backend_for(x);
  const auto run = require(b, b.add_upsampled, "add_upsampled");
  if (x.numel() == 0) return;
  check::no_overlap(x, "x", coarse, "coarse");
  run(x, coarse, top, left, slope, how, ctx);
}

}  // namespace pyapdraw
