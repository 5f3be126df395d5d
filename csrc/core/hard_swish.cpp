#include "core/check.h"

namespace pyapdraw {

void hard_swish(const Tensor& x, const Context& ctx) {
  check::dtype(x, "x", {DType::f32});
  PA_CHECK(x.contiguous(), "x", "is not contiguous, one block of memory expected");
  check::output(x, "x");
  const Backend& b = backend_for(x);
  const auto run = require(b, b.hard_swish, "hard_swish");
  if (x.numel() == 0) return;
  run(x, ctx);
}

}  // namespace pyapdraw
