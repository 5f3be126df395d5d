#include "core/check.h"

namespace pyapdraw {

void depthwise_conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& out, int stride, int pad,
                      MapActivation activation, const Context& ctx) {
  check::channels_last(x, "x");
  check::channels_last(out, "out");
  check::ndim(weight, "weight", 3, 3);
  check::dtype(weight, "weight", {DType::f32});
  PA_CHECK(weight.contiguous(), "weight", "is not contiguous, [kh,kw,C] in one block expected");
  const int64_t channels = x.shape[3];
  PA_CHECK(weight.shape[0] > 0 && weight.shape[1] > 0 && weight.shape[2] == channels, "weight",
           "shape " + check::shape_text(weight) + " given, a kernel of at least 1x1 for the channels of x, " +
               check::shape_text(x) + ", expected");
  check::dtype(bias, "bias", {DType::f32});
  check::shape(bias, "bias", {channels});
  PA_CHECK(bias.contiguous(), "bias", "is not contiguous");
  PA_CHECK(stride >= 1, "stride", std::to_string(stride) + " given, at least 1 expected");
  PA_CHECK(pad >= 0 && pad < weight.shape[0] && pad < weight.shape[1], "pad",
           std::to_string(pad) + " given, 0 to less than the sides of the kernel " + check::shape_text(weight) +
               " expected");
  check::shape(out, "out", {x.shape[0], out.shape[1], out.shape[2], channels});
  for (int i = 1; i <= 2; ++i)
    PA_CHECK(out.shape[i] == 0 || (out.shape[i] - 1 < (x.shape[i] + pad + stride - 1) / stride && x.shape[i] > 0),
             "out",
             "shape " + check::shape_text(out) + " given, along axis " + std::to_string(i) +
                 " the last window lies beyond x, " + check::shape_text(x));
  for (const Tensor* t : {&weight, &bias, &out})
    check::same_device(*t, t == &weight ? "weight" : t == &bias ? "bias" : "out", x, "x");
  if (out.numel() == 0) return;
  check::output(out, "out");
  check::no_overlap(out, "out", x, "x");
  const Backend& b = backend_for(x);
  require(b, b.depthwise_conv2d, "depthwise_conv2d")(x, weight, bias, out, stride, pad, activation, ctx);
}

}  // namespace pyapdraw
