#include "core/warp_plan.h"
#include "core/yuv_check.h"

namespace pyapdraw {

void paste_yuv(const Tensor& drawing, const Tensor& alpha, const Tensor& to_crop, const YuvFormat& format,
               const Tensor& y, const Tensor& u, const Tensor& v, const Context& ctx) {
  check::planes(y, u, v, format);
  check::dtype(y, "y", {DType::u8});
  check::ndim(alpha, "alpha", 2, 2);
  PA_CHECK(alpha.numel() > 0, "alpha", "shape " + check::shape_text(alpha) + " given, at least one pixel expected");
  if (drawing.ndim == 3)
    check::shape(drawing, "drawing", {alpha.shape[0], alpha.shape[1], 3});
  else
    check::same_shape(drawing, "drawing", alpha, "alpha");
  for (const Tensor* t : {&drawing, &alpha}) {
    const char* arg = t == &drawing ? "drawing" : "alpha";
    check::dtype(*t, arg, {DType::u8});
    check::same_device(*t, arg, y, "y");
    for (const Tensor* plane : {&y, &u, &v}) check::no_overlap(*plane, "a plane", *t, arg);
  }
  const char* const names[] = {"y", "u", "v"};
  const Tensor* const planes[] = {&y, &u, &v};
  for (int i = 0; i < 3; ++i) {
    check::output(*planes[i], names[i]);
    for (int j = 0; j < i; ++j)
      if (i != 2 || j != 1) check::no_overlap(*planes[i], names[i], *planes[j], names[j]);
  }
  const WarpPlan plan = sampling_plan(alpha, to_crop, "to_crop", Filter::antialias);
  const Backend& b = backend_for(y);
  const auto run = require(b, b.paste_yuv, "paste_yuv");
  if (y.numel() > 0) run(drawing, alpha, plan, format, y, u, v, ctx);
}

}  // namespace pyapdraw
