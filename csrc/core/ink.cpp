#include <cmath>

#include "core/check.h"

namespace pyapdraw {

namespace {

constexpr int64_t kLeast = 16, kMost = 8192;

double landmark(const Tensor& t, int64_t i, int64_t k) {
  const int64_t at = i * t.stride[0] + k * t.stride[1];
  return t.dtype == DType::f64 ? t.as<double>()[at] : static_cast<double>(t.as<float>()[at]);
}

// Finite points whose eyes are apart: everything else is measured in eye distances. Points on a device are looked at
// there.
void check_landmarks(const Tensor& t, int64_t size) {
  check::shape(t, "landmarks", {5, 2});
  check::dtype(t, "landmarks", {DType::f32, DType::f64});
  if (t.device.type != DeviceType::cpu) return;
  for (int i = 0; i < 5; ++i)
    for (int k = 0; k < 2; ++k) {
      const double v = landmark(t, i, k);
      PA_CHECK(std::isfinite(v) && std::fabs(v) <= 4.0 * static_cast<double>(size), "landmarks",
               "point " + std::to_string(i) + " is " + std::to_string(v) + ", a place in or near the crop expected");
    }
  const double dx = landmark(t, 1, 0) - landmark(t, 0, 0), dy = landmark(t, 1, 1) - landmark(t, 0, 1);
  const double least = 0.02 * static_cast<double>(size), apart = std::sqrt(dx * dx + dy * dy);
  PA_CHECK(apart >= least, "landmarks",
           "eyes " + std::to_string(apart) + " px apart, at least " + std::to_string(least) + " expected");
}

// Everything but the planes.
void check_drawing(const Tensor& pixels, const Tensor& mask, const Tensor& landmarks, const Tensor& drawing) {
  check::ndim(pixels, "pixels", 3, 3);
  check::dtype(pixels, "pixels", {DType::u8});
  const int64_t size = pixels.shape[0];
  PA_CHECK(size >= kLeast && size <= kMost, "pixels",
           "shape " + check::shape_text(pixels) + " given, 16 to 8192 px a side expected");
  check::shape(pixels, "pixels", {size, size, 3});
  check::shape(mask, "mask", {size, size});
  check::dtype(mask, "mask", {DType::u8});
  check::shape(drawing, "drawing", {size, size});
  check::dtype(drawing, "drawing", {DType::u8});
  check::same_device(mask, "mask", pixels, "pixels");
  check::same_device(drawing, "drawing", pixels, "pixels");
  if (landmarks.device.type != DeviceType::cpu) check::same_device(landmarks, "landmarks", pixels, "pixels");
  check_landmarks(landmarks, size);
  check::output(drawing, "drawing");
  check::no_overlap(drawing, "drawing", pixels, "pixels");
  check::no_overlap(drawing, "drawing", mask, "mask");
}

}  // namespace

void ink(const Tensor& pixels, const Tensor& mask, const Tensor& landmarks, const Tensor& drawing, const Context& ctx) {
  check_drawing(pixels, mask, landmarks, drawing);
  const Backend& b = backend_for(pixels);
  require(b, b.ink, "ink")(pixels, mask, landmarks, drawing, ctx);
}

void ink_planes(const Tensor& pixels, const Tensor& mask, const Tensor& landmarks, const Tensor& drawing,
                const Tensor& planes, const Context& ctx) {
  check_drawing(pixels, mask, landmarks, drawing);
  check::shape(planes, "planes", {7, pixels.shape[0], pixels.shape[0]});
  check::dtype(planes, "planes", {DType::f32});
  check::same_device(planes, "planes", pixels, "pixels");
  check::output(planes, "planes");
  check::no_overlap(planes, "planes", pixels, "pixels");
  check::no_overlap(planes, "planes", drawing, "drawing");
  const Backend& b = backend_for(pixels);
  require(b, b.ink_planes, "ink_planes")(pixels, mask, landmarks, drawing, planes, ctx);
}

}  // namespace pyapdraw
