#include "core/check.h"

namespace pyapdraw {

namespace {

void image_like(const Tensor& t, const char* arg, int axes) {
  check::ndim(t, arg, axes, axes);
  const int64_t c = t.shape[axes - 1];
  PA_CHECK(c <= 1 || t.stride[axes - 1] == 1, arg, "channels are not adjacent in memory, channel-last layout expected");
}

}  // namespace

void crop_area(const Tensor& image, const Tensor& boxes, const Tensor& out, float subtract, float multiply,
               const Context& ctx) {
  image_like(image, "image", 3);
  check::dtype(image, "image", {DType::u8});
  check::dtype(boxes, "boxes", {DType::i32});
  check::ndim(boxes, "boxes", 2, 2);
  check::shape(boxes, "boxes", {boxes.shape[0], 4});
  PA_CHECK(boxes.contiguous(), "boxes", "is not contiguous");
  image_like(out, "out", 4);
  check::dtype(out, "out", {DType::f32});
  check::shape(out, "out", {boxes.shape[0], out.shape[1], out.shape[2], image.shape[2]});
  check::same_device(boxes, "boxes", image, "image");
  check::same_device(out, "out", image, "image");
  const Backend& b = backend_for(image);
  const auto run = require(b, b.crop_area, "crop_area");
  if (out.numel() == 0) return;
  check::output(out, "out");
  check::no_overlap(out, "out", image, "image");
  const bool readable = boxes.device.type == DeviceType::cpu;  // on a device the kernel cuts boxes to the image
  for (int64_t n = 0; readable && n < boxes.shape[0]; ++n) {
    const int32_t* r = boxes.as<int32_t>() + 4 * n;
    PA_CHECK(0 <= r[0] && r[0] < r[2] && r[2] <= image.shape[1] && 0 <= r[1] && r[1] < r[3] && r[3] <= image.shape[0],
             "boxes",
             "row " + std::to_string(n) + " is (" + std::to_string(r[0]) + "," + std::to_string(r[1]) + "," +
                 std::to_string(r[2]) + "," + std::to_string(r[3]) + "), x0 < x1 and y0 < y1 inside the image " +
                 check::shape_text(image) + " expected");
  }
  run(image, boxes, out, subtract, multiply, ctx);
}

void crop_warp(const Tensor& image, const Tensor& to_image, const Tensor& out, float subtract, float multiply,
               const Context& ctx) {
  image_like(image, "image", 3);
  check::dtype(image, "image", {DType::u8, DType::f32});
  PA_CHECK(image.shape[2] == 1 || image.shape[2] == 3, "image",
           "shape " + check::shape_text(image) + " given, 1 or 3 channels expected");
  check::dtype(to_image, "to_image", {DType::f64});
  check::ndim(to_image, "to_image", 3, 3);
  check::shape(to_image, "to_image", {to_image.shape[0], 2, 3});
  PA_CHECK(to_image.contiguous(), "to_image", "is not contiguous");
  image_like(out, "out", 4);
  check::dtype(out, "out", {DType::f32});
  check::shape(out, "out", {to_image.shape[0], out.shape[1], out.shape[2], image.shape[2]});
  check::same_device(to_image, "to_image", image, "image");
  check::same_device(out, "out", image, "image");
  const Backend& b = backend_for(image);
  const auto run = require(b, b.crop_warp, "crop_warp");
  if (out.numel() == 0) return;
  PA_CHECK(image.numel() > 0, "image", "is empty");
  check::output(out, "out");
  check::no_overlap(out, "out", image, "image");
  run(image, to_image, out, subtract, multiply, ctx);
}

void nms(const Tensor& boxes, const Tensor& keep, float threshold, float side, bool minimum, const Context& ctx) {
  check::dtype(boxes, "boxes", {DType::f32});
  check::ndim(boxes, "boxes", 2, 2);
  check::shape(boxes, "boxes", {boxes.shape[0], 4});
  PA_CHECK(boxes.contiguous(), "boxes", "is not contiguous");
  check::dtype(keep, "keep", {DType::boolean, DType::u8});
  check::shape(keep, "keep", {boxes.shape[0]});
  check::same_device(keep, "keep", boxes, "boxes");
  const Backend& b = backend_for(boxes);
  const auto run = require(b, b.nms, "nms");
  if (keep.numel() == 0) return;
  check::output(keep, "keep");
  PA_CHECK(keep.contiguous(), "keep", "is not contiguous");
  check::no_overlap(keep, "keep", boxes, "boxes");
  run(boxes, keep, threshold, side, minimum, ctx);
}

}  // namespace pyapdraw
