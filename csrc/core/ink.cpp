#include <cmath>

#include "core/check.h"
#include "core/ink_math.h"

namespace pyapdraw {

namespace {

constexpr int64_t kLeast = 16, kMost = 8192;
constexpr double kNear = 4;  // sides of the picture that a landmark may lie away

double landmark(const Tensor& t, int64_t i, int64_t k) {
  const int64_t at = i * t.stride[0] + k * t.stride[1];
  return t.dtype == DType::f64 ? t.as<double>()[at] : static_cast<double>(t.as<float>()[at]);
}

// Finite points whose eyes are apart: everything else is measured in eye distances. Points on a device are looked at
// there. least: between the eyes, px; size: longest of the picture.
void check_landmarks(const Tensor& t, double least, int64_t size) {
  check::shape(t, "landmarks", {5, 2});
  check::dtype(t, "landmarks", {DType::f32, DType::f64});
  if (t.device.type != DeviceType::cpu) return;
  for (int i = 0; i < 5; ++i)
    for (int k = 0; k < 2; ++k) {
      const double v = landmark(t, i, k);
      PA_CHECK(std::isfinite(v) && std::fabs(v) <= kNear * static_cast<double>(size), "landmarks",
               "point " + std::to_string(i) + " is " + std::to_string(v) + ", a place in or near the crop expected");
    }
  const double dx = landmark(t, 1, 0) - landmark(t, 0, 0), dy = landmark(t, 1, 1) - landmark(t, 0, 1);
  const double apart = std::sqrt(dx * dx + dy * dy);
  PA_CHECK(apart >= least, "landmarks",
           "eyes " + std::to_string(apart) + " px apart, at least " + std::to_string(least) + " expected");
}

void check_options(const InkOptions& o) {
  const auto within = [](float v, float low, float high, const char* name) {
    PA_CHECK(v >= low && v <= high, name,
             std::to_string(v) + " given, " + std::to_string(low) + " to " + std::to_string(high) + " expected");
  };
  if (o.scale != 0) within(o.scale, 1.0f / 32, 16.0f, "scale");
  within(o.line, 0.25f, 4.0f, "line");
  within(o.detail, 0.25f, 4.0f, "detail");
}

// Everything but the planes.
void check_drawing(const Tensor& pixels, const Tensor& mask, const Tensor& landmarks, const Tensor& drawing,
                   const InkOptions& options) {
  check::ndim(pixels, "pixels", 3, 3);
  check::dtype(pixels, "pixels", {DType::u8});
  const int64_t height = pixels.shape[0], width = pixels.shape[1];
  for (int64_t side : {height, width})
    PA_CHECK(side >= kLeast && side <= kMost, "pixels",
             "shape " + check::shape_text(pixels) + " given, 16 to 8192 px a side expected");
  check_options(options);
  check::shape(pixels, "pixels", {height, options.scale > 0 ? width : height, 3});
  check::shape(mask, "mask", {height, width});
  check::dtype(mask, "mask", {DType::u8});
  check::shape(drawing, "drawing", {height, width});
  check::dtype(drawing, "drawing", {DType::u8});
  check::same_device(mask, "mask", pixels, "pixels");
  check::same_device(drawing, "drawing", pixels, "pixels");
  if (landmarks.device.type != DeviceType::cpu) check::same_device(landmarks, "landmarks", pixels, "pixels");
  const double side = options.scale > 0 ? 512.0 * options.scale : static_cast<double>(height);
  check_landmarks(landmarks, sketch::least_eyes(options.figure) * side, height > width ? height : width);
  check::output(drawing, "drawing");
  check::no_overlap(drawing, "drawing", pixels, "pixels");
  check::no_overlap(drawing, "drawing", mask, "mask");
}

}  // namespace

void ink(const Tensor& pixels, const Tensor& mask, const Tensor& landmarks, const Tensor& drawing,
         const InkOptions& options, const Context& ctx) {
  check_drawing(pixels, mask, landmarks, drawing, options);
  const Backend& b = backend_for(pixels);
  require(b, b.ink, "ink")(pixels, mask, landmarks, drawing, options, ctx);
}

void ink_planes(const Tensor& pixels, const Tensor& mask, const Tensor& landmarks, const Tensor& drawing,
                const Tensor& planes, const InkOptions& options, const Context& ctx) {
  check_drawing(pixels, mask, landmarks, drawing, options);
  check::shape(planes, "planes", {7, pixels.shape[0], pixels.shape[1]});
  check::dtype(planes, "planes", {DType::f32});
  check::same_device(planes, "planes", pixels, "pixels");
  check::output(planes, "planes");
  check::no_overlap(planes, "planes", pixels, "pixels");
  check::no_overlap(planes, "planes", drawing, "drawing");
  const Backend& b = backend_for(pixels);
  require(b, b.ink_planes, "ink_planes")(pixels, mask, landmarks, drawing, planes, options, ctx);
}

}  // namespace pyapdraw
