#include "core/check.h"

namespace pyapdraw {

namespace {

bool same_view(const Tensor& a, const Tensor& b) {
  bool same = a.data == b.data && a.ndim == b.ndim;
  for (int i = 0; same && i < a.ndim; ++i)
    same = a.shape[i] == b.shape[i] && (a.shape[i] == 1 || a.stride[i] == b.stride[i]);
  return same;
}

}  // namespace

void composite(const Tensor& drawing, const Tensor& alpha, const Tensor& background, const Tensor& out,
               const Context& ctx) {
  check::ndim(out, "out", 3, 3);
  check::dtype(out, "out", {DType::u8, DType::f32});
  check::output(out, "out");
  const char* names[] = {"drawing", "alpha", "background"};
  const Tensor* inputs[] = {&drawing, &alpha, &background};
  for (int i = 0; i < 3; ++i) {
    check::dtype(*inputs[i], names[i], {out.dtype});
    check::same_shape(*inputs[i], names[i], out, "out");
    check::same_device(*inputs[i], names[i], out, "out");
    if (inputs[i] != &background || !same_view(background, out)) check::no_overlap(out, "out", *inputs[i], names[i]);
  }
  const Backend& b = backend_for(out);
  require(b, b.composite, "composite")(drawing, alpha, background, out, ctx);
}

}  // namespace pyapdraw
