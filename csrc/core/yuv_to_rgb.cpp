#include "core/yuv_check.h"

namespace pyapdraw {

void yuv_to_rgb(const Tensor& y, const Tensor& u, const Tensor& v, const Tensor& out, const YuvFormat& format,
                const Context& ctx) {
  check::planes(y, u, v, format);
  check::dtype(out, "out", {DType::u8, DType::f32});
  if (out.dtype == DType::u8)
    check::shape(out, "out", {y.shape[0], y.shape[1], 3});
  else
    check::shape(out, "out", {3, y.shape[0], y.shape[1]});
  check::output(out, "out");
  check::same_device(out, "planes", y, "y");
  for (const Tensor* t : {&y, &u, &v}) check::no_overlap(out, "out", *t, "a plane");
  const Backend& b = backend_for(y);
  require(b, b.yuv_to_rgb, "yuv_to_rgb")(y, u, v, out, format, ctx);
}

}  // namespace pyapdraw
