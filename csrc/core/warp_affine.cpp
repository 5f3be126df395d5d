#include "core/image_check.h"
#include "core/warp_plan.h"

namespace pyapdraw {

namespace {

// Inverse of the image -> output map, refused where it has none.
void invert(const double* a, const char* arg, double* m) {
  const double det = a[0] * a[4] - a[1] * a[3];
  const double size = std::abs(a[0] * a[4]) + std::abs(a[1] * a[3]);
  bool ok = std::abs(det) > 1e-14 * size && std::isfinite(1.0 / det);
  for (int i = 0; i < 6; ++i) ok = ok && std::isfinite(a[i]);
  PA_CHECK(ok, arg, "not finite or not invertible, a [2,3] affine map with a non-zero determinant expected");
  m[0] = a[4] / det;
  m[1] = -a[1] / det;
  m[3] = -a[3] / det;
  m[4] = a[0] / det;
  m[2] = -(m[0] * a[2] + m[1] * a[5]);
  m[5] = -(m[3] * a[2] + m[4] * a[5]);
}

// Reduces one axis so that a step of the output is at most about one sampled pixel.
int64_t reduce_axis(double* m, int64_t n) {
  const double step = std::hypot(m[0], m[1]);
  if (!(step > 1.0)) return n;
  const double target = std::floor(static_cast<double>(n) / step + 0.5);
  const int64_t reduced = target < 1.0 ? 1 : static_cast<int64_t>(target);
  if (reduced >= n) return n;
  const double scale = static_cast<double>(reduced) / static_cast<double>(n);
  m[0] *= scale;
  m[1] *= scale;
  m[2] = (m[2] + 0.5) * scale - 0.5;
  return reduced;
}

void read_matrix(const Tensor& matrix, const char* arg, double* a) {
  check::dtype(matrix, arg, {DType::f64});
  check::shape(matrix, arg, {2, 3});
  PA_CHECK(matrix.device.type == DeviceType::cpu, arg, "lives on a CUDA device, a CPU array expected");
  for (int r = 0; r < 2; ++r)
    for (int c = 0; c < 3; ++c) a[3 * r + c] = matrix.as<double>()[r * matrix.stride[0] + c * matrix.stride[1]];
}

void reduce(const Tensor& image, Filter filter, WarpPlan* plan) {
  const bool smaller = filter == Filter::antialias;
  plan->reduced_w = smaller ? reduce_axis(plan->m, image.shape[1]) : image.shape[1];
  plan->reduced_h = smaller ? reduce_axis(plan->m + 3, image.shape[0]) : image.shape[0];
}

}  // namespace

WarpPlan warp_plan(const Tensor& image, const Tensor& matrix, const char* arg, Filter filter, Border border,
                   double border_value) {
  if (image.dtype != DType::f32)
    PA_CHECK(border_value >= 0.0 && border_value <= 255.0, "border",
             std::to_string(border_value) + " given, 0 to 255 expected");
  double a[6];
  read_matrix(matrix, arg, a);
  WarpPlan plan;
  invert(a, arg, plan.m);
  plan.border = border;
  plan.border_value = border_value;
  reduce(image, filter, &plan);
  return plan;
}

WarpPlan sampling_plan(const Tensor& image, const Tensor& matrix, const char* arg, Filter filter) {
  WarpPlan plan;
  double inverse[6];
  read_matrix(matrix, arg, plan.m);
  invert(plan.m, arg, inverse);
  plan.border = Border::constant;
  plan.border_value = 0.0;
  reduce(image, filter, &plan);
  return plan;
}

void warp_affine(const Tensor& image, const Tensor& matrix, const Tensor& out, Filter filter, Border border,
                 double border_value, const Context& ctx) {
  check::image_pair(image, out);
  PA_CHECK(image.numel() > 0 || out.numel() == 0, "image",
           "shape " + check::shape_text(image) + " given, at least one pixel expected");
  const WarpPlan plan = warp_plan(image, matrix, "matrix", filter, border, border_value);
  const Backend& b = backend_for(image);
  require(b, b.warp_affine, "warp_affine")(image, out, plan, ctx);
}

}  // namespace pyapdraw
