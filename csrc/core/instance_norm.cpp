#include "core/check.h"

namespace pyapdraw {

namespace {

void check_per_channel(const Tensor& t, const char* arg, const Tensor& x, const Tensor& out) {
  if (t.ndim == 1 && t.shape[0] == 0 && t.dtype == DType::u8) return;  // stands for none
  check::dtype(t, arg, {DType::f32});
  check::shape(t, arg, {x.shape[1]});
  check::same_device(t, arg, x, "x");
  check::no_overlap(out, "out", t, arg);
}

}  // namespace

void instance_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& out, double eps,
                   const Context& ctx) {
  check::ndim(x, "x", 4, 4);
  check::float_dtype(x, "x", {DType::f32, DType::bf16});
  PA_CHECK(eps >= 0 && eps <= 1e30, "eps", std::to_string(eps) + " given, a number from 0 on expected");
  check::same_shape(out, "out", x, "x");
  check::dtype(out, "out", {x.dtype});
  check::same_device(out, "out", x, "x");
  check::output(out, "out");
  if (!check::same_view(out, x)) check::no_overlap(out, "out", x, "x");
  check_per_channel(weight, "weight", x, out);
  check_per_channel(bias, "bias", x, out);
  const Backend& b = backend_for(x);
  const auto run = require(b, b.instance_norm, "instance_norm");
  if (x.numel() > 0) run(x, weight, bias, out, eps, ctx);
}

}  // namespace pyapdraw
