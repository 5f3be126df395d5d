#include "core/warp_plan.h"
#include "core/yuv_check.h"

namespace pyapdraw {

void crop_yuv(const Tensor& y, const Tensor& u, const Tensor& v, const Tensor& to_crop, const Tensor& out,
              const YuvFormat& format, const CropSampling& sampling, const Context& ctx) {
  check::planes(y, u, v, format);
  PA_CHECK(y.numel() > 0, "y", "shape " + check::shape_text(y) + " given, at least one pixel expected");
  check::dtype(out, "out", {DType::f32});
  check::ndim(out, "out", 3, 3);
  check::shape(out, "out", {3, out.shape[1], out.shape[2]});
  check::output(out, "out");
  check::same_device(out, "out", y, "y");
  for (const Tensor* t : {&y, &u, &v}) check::no_overlap(out, "out", *t, "a plane");
  const WarpPlan plan = warp_plan(y, to_crop, "to_crop", sampling.filter, sampling.border, sampling.border_value);
  const Backend& b = backend_for(y);
  const auto run = require(b, b.crop_yuv, "crop_yuv");
  if (out.numel() > 0) run(y, u, v, out, format, plan, ctx);
}

}  // namespace pyapdraw
