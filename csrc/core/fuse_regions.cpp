#include "core/check.h"

namespace pyapdraw {

namespace {

const char* const kParts[] = {"parts[0]", "parts[1]", "parts[2]", "parts[3]"};
const char* const kGradParts[] = {"grad_parts[0]", "grad_parts[1]", "grad_parts[2]", "grad_parts[3]"};

void check_image(const Tensor& t, const char* arg, const Tensor& as, const char* as_arg) {
  check::dtype(t, arg, {as.dtype});
  check::same_device(t, arg, as, as_arg);
}

// The image that all others are compared with.
void check_frame(const Tensor& t, const char* arg) {
  check::ndim(t, arg, 4, 4);
  check::float_dtype(t, arg, {DType::f32, DType::bf16});
}

void check_parts(const FaceParts& parts, const char* const names[4], const Tensor& frame, const char* frame_arg) {
  for (int i = 0; i < 4; ++i) {
    const Tensor& p = parts.part[i];
    check::ndim(p, names[i], 4, 4);
    check::shape(p, names[i], {frame.shape[0], frame.shape[1], p.shape[2], p.shape[3]});
    check_image(p, names[i], frame, frame_arg);
  }
}

void check_centres(const Tensor& centres, const Tensor& frame, const char* frame_arg) {
  check::dtype(centres, "centres", {DType::f32, DType::f64, DType::i32, DType::i64});
  check::shape(centres, "centres", {frame.shape[0], 4, 2});
  check::same_device(centres, "centres", frame, frame_arg);
}

// The person mask [N,1,H,W], or the two weights [N,2,H,W].
void check_mask(const Tensor& mask, const char* arg, const Tensor& frame, const char* frame_arg) {
  const bool weights = mask.ndim == 4 && mask.shape[1] == 2;
  if (weights) {
    if (mask.dtype != DType::f32) check::dtype(mask, arg, {DType::f32, frame.dtype});
  } else if (mask.dtype != DType::boolean && mask.dtype != DType::u8 && mask.dtype != DType::f32) {
    check::dtype(mask, arg, {DType::boolean, DType::u8, DType::f32, frame.dtype});
  }
  check::shape(mask, arg, {frame.shape[0], weights ? 2 : 1, frame.shape[2], frame.shape[3]});
  check::same_device(mask, arg, frame, frame_arg);
}

}  // namespace

void fuse_regions(const FaceParts& parts, const Tensor& centres, const Tensor& hair, const Tensor& background,
                  const Tensor& mask, const Tensor& out, const Tensor& winners, FuseMode mode, const Context& ctx) {
  check_frame(hair, "hair");
  check::same_shape(background, "background", hair, "hair");
  check_image(background, "background", hair, "hair");
  check_parts(parts, kParts, hair, "hair");
  check_centres(centres, hair, "hair");
  check_mask(mask, "mask", hair, "hair");
  check::same_shape(out, "out", hair, "hair");
  check_image(out, "out", hair, "hair");
  check::output(out, "out");
  const bool with_winners = winners.numel() > 0;
  if (with_winners) {
    check::dtype(winners, "winners", {DType::u8});
    check::same_shape(winners, "winners", hair, "hair");
    check::same_device(winners, "winners", hair, "hair");
    check::output(winners, "winners");
    check::no_overlap(winners, "winners", out, "out");
  }
  const Tensor* inputs[] = {&parts.part[0], &parts.part[1], &parts.part[2], &parts.part[3],
                            &hair,          &background,    &mask,          &centres};
  const char* const names[] = {kParts[0], kParts[1], kParts[2], kParts[3], "hair", "background", "mask", "centres"};
  for (int i = 0; i < 8; ++i) {
    check::no_overlap(out, "out", *inputs[i], names[i]);
    if (with_winners) check::no_overlap(winners, "winners", *inputs[i], names[i]);
  }
  const Backend& b = backend_for(hair);
  const auto run = require(b, b.fuse_regions, "fuse_regions");
  if (hair.numel() > 0) run(parts, centres, hair, background, mask, out, winners, mode, ctx);
}

void fuse_regions_backward(const Tensor& grad, const Tensor& winners, const Tensor& centres, const Tensor& weights,
                           const FaceParts& grad_parts, const Tensor& grad_hair, const Tensor& grad_background,
                           const Context& ctx) {
  check_frame(grad, "grad");
  check::dtype(winners, "winners", {DType::u8});
  check::same_shape(winners, "winners", grad, "grad");
  check::same_device(winners, "winners", grad, "grad");
  check_centres(centres, grad, "grad");
  const bool weighted = weights.numel() > 0;
  if (weighted) {
    check_mask(weights, "weights", grad, "grad");
    check::shape(weights, "weights", {grad.shape[0], 2, grad.shape[2], grad.shape[3]});
  }
  check_parts(grad_parts, kGradParts, grad, "grad");
  check::same_shape(grad_hair, "grad_hair", grad, "grad");
  check::same_shape(grad_background, "grad_background", grad, "grad");
  const Tensor* outputs[] = {&grad_parts.part[0], &grad_parts.part[1], &grad_parts.part[2],
                             &grad_parts.part[3], &grad_hair,          &grad_background};
  const char* const names[] = {kGradParts[0], kGradParts[1], kGradParts[2],
                               kGradParts[3], "grad_hair",   "grad_background"};
  for (int i = 0; i < 6; ++i) {
    check_image(*outputs[i], names[i], grad, "grad");
    check::output(*outputs[i], names[i]);
    check::no_overlap(*outputs[i], names[i], grad, "grad");
    check::no_overlap(*outputs[i], names[i], winners, "winners");
    check::no_overlap(*outputs[i], names[i], centres, "centres");
    if (weighted) check::no_overlap(*outputs[i], names[i], weights, "weights");
    for (int j = 0; j < i; ++j) check::no_overlap(*outputs[i], names[i], *outputs[j], names[j]);
  }
  const Backend& b = backend_for(grad);
  const auto run = require(b, b.fuse_regions_backward, "fuse_regions_backward");
  if (grad.shape[0] > 0 && grad.shape[1] > 0)
    run(grad, winners, centres, weights, grad_parts, grad_hair, grad_background, ctx);
}

}  // namespace pyapdraw
