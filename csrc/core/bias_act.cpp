#include "core/activation_math.h"
#include "core/check.h"

namespace pyapdraw {

namespace {

void check_options(const BiasAct& how) {
  PA_CHECK(how.clamp >= 0 || how.clamp == BiasAct::kNoClamp, "clamp",
           std::to_string(how.clamp) + " given, a number that is not negative expected");
}

void check_like(const Tensor& t, const char* arg, const Tensor& as, const char* as_arg) {
  check::same_shape(t, arg, as, as_arg);
  check::dtype(t, arg, {as.dtype});
  check::same_device(t, arg, as, as_arg);
}

void check_bias(const Tensor& bias, const Tensor& x, int dim) {
  if (bias.ndim == 1 && bias.shape[0] == 0 && bias.dtype == DType::u8) return;  // stands for none
  PA_CHECK(dim >= 0 && dim < x.ndim, "dim",
           std::to_string(dim) + " given, an axis of x, " + check::shape_text(x) + ", expected");
  check::dtype(bias, "bias", {DType::f32, x.dtype});
  check::shape(bias, "bias", {x.shape[dim]});
  check::same_device(bias, "bias", x, "x");
}

}  // namespace

void bias_act(const Tensor& x, const Tensor& bias, const Tensor& out, const BiasAct& how, int dim, const Context& ctx) {
  check::float_dtype(x, "x", {DType::f32, DType::bf16, DType::f64});
  check_bias(bias, x, dim);
  check_options(how);
  check_like(out, "out", x, "x");
  check::output(out, "out");
  if (!check::same_view(out, x)) check::no_overlap(out, "out", x, "x");
  check::no_overlap(out, "out", bias, "bias");
  const Backend& b = backend_for(x);
  const auto run = require(b, b.bias_act, "bias_act");
  if (x.numel() > 0) run(x, bias, out, how, dim, ctx);
}

void bias_act_backward(const Tensor& grad, const Tensor& kept, const Tensor& bias, const Tensor& out,
                       const BiasAct& how, int dim, const Context& ctx) {
  check::float_dtype(grad, "grad", {DType::f32, DType::bf16, DType::f64});
  check_like(kept, "kept", grad, "grad");
  check_bias(bias, grad, dim);
  check_options(how);
  check_like(out, "out", grad, "grad");
  check::output(out, "out");
  for (const Tensor* in : {&grad, &kept}) {
    const char* arg = in == &grad ? "grad" : "kept";
    if (!check::same_view(out, *in)) check::no_overlap(out, "out", *in, arg);
  }
  check::no_overlap(out, "out", bias, "bias");
  const Backend& b = backend_for(grad);
  const auto run = require(b, b.bias_act_backward, "bias_act_backward");
  if (grad.numel() > 0) run(grad, kept, bias, out, how, dim, ctx);
}

}  // namespace pyapdraw
