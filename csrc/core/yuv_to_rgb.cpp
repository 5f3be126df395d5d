#include "core/yuv_check.h"

namespace pyapdraw {

void yuv_to_rgb(const Tensor& y, const Tensor& u, const Tensor& v, const Tensor& out, const YuvFormat& format,
                const Context& ctx) {
  check::ndim(y, "y", 2, 2);
  if (format.bits == 8)
    check::dtype(y, "y", {DType::u8});
  else if (format.bits > 8 && format.bits <= 16)
    check::dtype(y, "y", {DType::u16});
  else
    check::fail("bits", std::to_string(format.bits) + " given, 8 to 16 expected");
  check::dtype(u, "u", {y.dtype});
  check::dtype(v, "v", {y.dtype});
  check::chroma(y, u, v);
  check::dtype(out, "out", {DType::u8, DType::f32});
  if (out.dtype == DType::u8)
    check::shape(out, "out", {y.shape[0], y.shape[1], 3});
  else
    check::shape(out, "out", {3, y.shape[0], y.shape[1]});
  check::output(out, "out");
  for (const Tensor* t : {&u, &v, &out}) check::same_device(*t, "planes", y, "y");
  for (const Tensor* t : {&y, &u, &v}) check::no_overlap(out, "out", *t, "a plane");
  const Backend& b = backend_for(y);
  require(b, b.yuv_to_rgb, "yuv_to_rgb")(y, u, v, out, format, ctx);
}

}  // namespace pyapdraw
