#include "core/check.h"

namespace pyapdraw {

namespace {

// Channel slices of one buffer interleave in memory without sharing an element: the usual way
// to write into a concatenation while reading from another part of it.
bool separate_channel_slices(const Tensor& a, const Tensor& b) {
  for (int i = 0; i < 3; ++i)
    if (a.stride[i] != b.stride[i]) return false;
  const int64_t offset = b.as<float>() - a.as<float>(), step = a.stride[2];
  if (offset >= 0) return offset >= a.shape[3] && offset + b.shape[3] <= step;
  return -offset >= b.shape[3] && -offset + a.shape[3] <= step;
}

void no_shared_element(const Tensor& out, const Tensor& x) {
  if (!separate_channel_slices(out, x)) check::no_overlap(out, "out", x, "x");
}

// Raises what does not fit; whether there is anything to do.
bool checked(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& slope, const Tensor& out,
             int stride, int pad) {
  check::channels_last(x, "x");
  check::channels_last(out, "out");
  check::ndim(weight, "weight", 4, 4);
  check::dtype(weight, "weight", {DType::f32});
  PA_CHECK(weight.contiguous(), "weight", "is not contiguous, [kh,kw,I,O] in one block expected");
  const int64_t kh = weight.shape[0], kw = weight.shape[1], outputs = weight.shape[3];
  PA_CHECK(kh > 0 && kw > 0, "weight",
           "shape " + check::shape_text(weight) + " given, a kernel of at least 1x1 expected");
  PA_CHECK(weight.shape[2] == x.shape[3], "weight",
           "shape " + check::shape_text(weight) + " given, axis 2 must be the channels of x, " + check::shape_text(x));
  PA_CHECK(stride >= 1, "stride", std::to_string(stride) + " given, at least 1 expected");
  PA_CHECK(pad >= 0, "pad", std::to_string(pad) + " given, at least 0 expected");
  for (const Tensor* t : {&bias, &slope}) {
    const char* arg = t == &bias ? "bias" : "slope";
    check::dtype(*t, arg, {DType::f32});
    check::shape(*t, arg, {outputs});
    PA_CHECK(t->contiguous(), arg, "is not contiguous");
    check::same_device(*t, arg, x, "x");
  }
  const int64_t h = x.shape[1] + 2 * pad, w = x.shape[2] + 2 * pad;
  PA_CHECK(h >= kh && w >= kw, "x",
           "shape " + check::shape_text(x) + " given, padded it must hold the kernel " + check::shape_text(weight));
  check::shape(out, "out", {x.shape[0], (h - kh) / stride + 1, (w - kw) / stride + 1, outputs});
  check::same_device(weight, "weight", x, "x");
  check::same_device(out, "out", x, "x");
  if (out.numel() == 0) return false;
  check::output(out, "out");
  no_shared_element(out, x);
  return true;
}

}  // namespace

void conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& slope, const Tensor& out,
            int stride, int pad, const Context& ctx) {
  if (!checked(x, weight, bias, slope, out, stride, pad)) return;
  const Backend& b = backend_for(x);
  require(b, b.conv2d, "conv2d")(x, weight, bias, slope, out, stride, pad, ctx);
}

void conv2d_bf16(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& slope, const Tensor& out,
                 int stride, int pad, const Context& ctx) {
  if (!checked(x, weight, bias, slope, out, stride, pad)) return;
  const Backend& b = backend_for(x);
  require(b, b.conv2d_bf16, "conv2d_bf16")(x, weight, bias, slope, out, stride, pad, ctx);
}

void max_pool2d(const Tensor& x, const Tensor& out, int kernel, int stride, const Context& ctx) {
  check::channels_last(x, "x");
  check::channels_last(out, "out");
  PA_CHECK(kernel >= 1, "kernel", std::to_string(kernel) + " given, at least 1 expected");
  PA_CHECK(stride >= 1, "stride", std::to_string(stride) + " given, at least 1 expected");
  check::same_device(out, "out", x, "x");
  PA_CHECK(out.shape[0] == x.shape[0] && out.shape[3] == x.shape[3], "out",
           "shape " + check::shape_text(out) + " given, N and C of x, " + check::shape_text(x) + ", expected");
  for (int i = 1; i <= 2; ++i) {
    const int64_t rest = x.shape[i] > kernel ? x.shape[i] - kernel : 0, n = out.shape[i];
    const bool empty = n == 0 && x.shape[i] == 0;
    PA_CHECK(
        empty || n == rest / stride + 1 || (n == (rest + stride - 1) / stride + 1 && (n - 1) * stride < x.shape[i]),
        "out",
        "shape " + check::shape_text(out) + " given; axis " + std::to_string(i) + " must be " +
            std::to_string(rest / stride + 1) + ", or one more when the last window is cut by the border");
  }
  if (out.numel() == 0) return;
  check::output(out, "out");
  no_shared_element(out, x);
  const Backend& b = backend_for(x);
  require(b, b.max_pool2d, "max_pool2d")(x, out, kernel, stride, ctx);
}

}  // namespace pyapdraw
