#include "core/check.h"

namespace pyapdraw {

namespace {

void check_image(const Tensor& t, const char* arg, const Tensor& scale, const char* scale_arg, const Tensor& first) {
  check::ndim(t, arg, 4, 4);
  check::float_dtype(t, arg, {DType::f32, DType::bf16});
  PA_CHECK(t.shape[0] == first.shape[0], arg,
           "shape " + check::shape_text(t) + " given, the N of grad, " + check::shape_text(first) + ", expected");
  check::same_device(t, arg, first, "grad");
  check::dtype(scale, scale_arg, {DType::f32});
  check::shape(scale, scale_arg, {t.shape[0], t.shape[1]});
  check::same_device(scale, scale_arg, first, "grad");
}

}  // namespace

void modulated_conv2d_backward_weight(const Tensor& grad, const Tensor& grad_scale, const Tensor& x,
                                      const Tensor& x_scale, const Tensor& grad_weight, int stride, int pad,
                                      const Context& ctx) {
  check_image(grad, "grad", grad_scale, "grad_scale", grad);
  check_image(x, "x", x_scale, "x_scale", grad);
  PA_CHECK(stride == 1 || stride == 2, "stride", std::to_string(stride) + " given, 1 or 2 expected");
  PA_CHECK(pad == 0 || pad == 1, "pad", std::to_string(pad) + " given, 0 or 1 expected");
  check::ndim(grad_weight, "grad_weight", 4, 4);
  check::dtype(grad_weight, "grad_weight", {DType::f32});
  const int64_t k = grad_weight.shape[2];
  PA_CHECK(k == 1 || k == 3, "grad_weight",
           "shape " + check::shape_text(grad_weight) + " given, [O,I,1,1] or [O,I,3,3] expected");
  check::shape(grad_weight, "grad_weight", {grad.shape[1], x.shape[1], k, k});
  check::same_device(grad_weight, "grad_weight", grad, "grad");
  for (int i = 2; i < 4 && grad.numel() > 0; ++i)
    PA_CHECK((x.shape[i] + 2 * pad - k) / stride + 1 >= grad.shape[i] && x.shape[i] + 2 * pad >= k, "x",
             "shape " + check::shape_text(x) + " given, too small for the windows of grad, " + check::shape_text(grad));
  check::output(grad_weight, "grad_weight");
  const Tensor* inputs[] = {&grad, &grad_scale, &x, &x_scale};
  const char* const names[] = {"grad", "grad_scale", "x", "x_scale"};
  for (int i = 0; i < 4; ++i) check::no_overlap(grad_weight, "grad_weight", *inputs[i], names[i]);
  const Backend& b = backend_for(grad);
  const auto run = require(b, b.modulated_conv2d_backward_weight, "modulated_conv2d_backward_weight");
  if (grad_weight.numel() > 0) run(grad, grad_scale, x, x_scale, grad_weight, stride, pad, ctx);
}

}  // namespace pyapdraw
