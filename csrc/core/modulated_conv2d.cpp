#include <cmath>

#include "core/check.h"
#include "core/modulated_conv2d_plan.h"

namespace pyapdraw {

namespace {

// The filter as an outer product of two runs, exact to rounding; anything else has no fused kernel.
void factorise(const Tensor& filter, float* rows, float* columns, int* height, int* width) {
  *height = static_cast<int>(filter.shape[0]);
  *width = static_cast<int>(filter.shape[filter.ndim - 1]);
  const int64_t step = filter.stride[0];
  if (filter.ndim == 1) {
    for (int i = 0; i < *width; ++i) rows[i] = columns[i] = filter.as<float>()[i * step];
    return;
  }
  const auto at = [&](int y, int x) { return filter.as<float>()[y * step + x * filter.stride[1]]; };
  int top = 0, left = 0;
  for (int y = 0; y < *height; ++y)
    for (int x = 0; x < *width; ++x)
      if (std::fabs(at(y, x)) > std::fabs(at(top, left))) top = y, left = x;
  const float most = at(top, left);
  for (int y = 0; y < *height; ++y) rows[y] = at(y, left);
  for (int x = 0; x < *width; ++x) columns[x] = most != 0 ? at(top, x) / most : 0;
  for (int y = 0; y < *height; ++y)
    for (int x = 0; x < *width; ++x)
      if (!(std::fabs(at(y, x) - rows[y] * columns[x]) <= 1e-6f * std::fabs(most)))
        throw Unsupported("filter: not an outer product of two vectors, which the fused kernel needs");
}

// Zeros before the first sample [stylegan3 conv2d_resample with padding = kernel / 2].
int padding_before(int kernel, int taps, const ModulatedConvOptions& o) {
  const int same = kernel / 2;
  if (o.up == 2) return same + (taps + 1) / 2 - (kernel == 3 ? 2 : 0);
  return o.down == 2 ? same + (taps - 1) / 2 : 0;
}

void read_filter(const Tensor& filter, ModulatedConvPlan* plan) {
  const ModulatedConvOptions& o = plan->options;
  float rows[ModulatedConvPlan::kMostTaps] = {1}, columns[ModulatedConvPlan::kMostTaps] = {1};
  int height = 1, width = 1;
  if (filter.numel() > 0) {
    check::ndim(filter, "filter", 1, 2);
    check::dtype(filter, "filter", {DType::f32});
    PA_CHECK(filter.device.type == DeviceType::cpu, "filter", "is on a CUDA device, a filter on the CPU expected");
    for (int i = 0; i < filter.ndim; ++i)
      if (filter.shape[i] > ModulatedConvPlan::kMostTaps)
        throw Unsupported("filter: shape " + check::shape_text(filter) + " given, at most " +
                          std::to_string(ModulatedConvPlan::kMostTaps) + " taps an axis have a fused kernel");
    if (o.up * o.down > 1) factorise(filter, rows, columns, &height, &width);
  }
  plan->filter_w = width, plan->filter_h = height;
  const float gain = static_cast<float>(o.up);
  for (int i = 0; i < width; ++i) plan->filter_x[i] = columns[width - 1 - i] * gain;
  for (int i = 0; i < height; ++i) plan->filter_y[i] = rows[height - 1 - i] * gain;
  plan->pad_x = padding_before(plan->kernel, width, o);
  plan->pad_y = padding_before(plan->kernel, height, o);
}

void check_options(const ModulatedConvOptions& o) {
  PA_CHECK(o.up == 1 || o.up == 2, "up", std::to_string(o.up) + " given, 1 or 2 expected");
  PA_CHECK(o.down == 1 || o.down == 2, "down", std::to_string(o.down) + " given, 1 or 2 expected");
  PA_CHECK(o.up == 1 || o.down == 1, "down", "2 given together with up = 2, one of them expected");
  if (o.activation != Activation::linear && o.activation != Activation::relu && o.activation != Activation::lrelu)
    throw Unsupported("activation: only linear, relu and lrelu are fused into the convolution");
}

void check_vector(const Tensor& t, const char* arg, const Tensor& x, std::initializer_list<int64_t> shape) {
  check::dtype(t, arg, {DType::f32});
  check::shape(t, arg, shape);
  check::same_device(t, arg, x, "x");
}

void check_inputs(const Tensor& x, const Tensor& weight, const Tensor& styles) {
  check::ndim(x, "x", 4, 4);
  check::float_dtype(x, "x", {DType::f32, DType::bf16});
  check::ndim(weight, "weight", 4, 4);
  check::float_dtype(weight, "weight", {DType::f32, DType::bf16});
  check::same_device(weight, "weight", x, "x");
  PA_CHECK(weight.shape[2] == weight.shape[3] && (weight.shape[2] == 1 || weight.shape[2] == 3), "weight",
           "shape " + check::shape_text(weight) + " given, [O,I,1,1] or [O,I,3,3] expected");
  PA_CHECK(weight.shape[1] == x.shape[1], "weight",
           "shape " + check::shape_text(weight) + " given, axis 1 must be the channels of x, " + check::shape_text(x));
  check_vector(styles, "styles", x, {x.shape[0], x.shape[1]});
}

}  // namespace

void modulated_conv2d(const Tensor& x, const Tensor& weight, const Tensor& styles, const Tensor& filter,
                      const Tensor& noise, const Tensor& bias, const Tensor& out, const ModulatedConvOptions& options,
                      const Context& ctx) {
  check_options(options);
  check_inputs(x, weight, styles);
  const int64_t n = x.shape[0], outputs = weight.shape[0];
  const int64_t height = x.shape[2] * options.up / options.down, width = x.shape[3] * options.up / options.down;
  check::dtype(out, "out", {x.dtype});
  check::shape(out, "out", {n, outputs, height, width});
  check::same_device(out, "out", x, "x");
  if (noise.numel() > 0) check_vector(noise, "noise", x, {noise.shape[0] == 1 ? 1 : n, 1, height, width});
  if (bias.numel() > 0) check_vector(bias, "bias", x, {outputs});
  ModulatedConvPlan plan;
  plan.options = options;
  plan.kernel = static_cast<int>(weight.shape[2]);
  read_filter(filter, &plan);
  check::output(out, "out");
  const Tensor* inputs[] = {&x, &weight, &styles, &noise, &bias};
  const char* const names[] = {"x", "weight", "styles", "noise", "bias"};
  for (int i = 0; i < 5; ++i) check::no_overlap(out, "out", *inputs[i], names[i]);
  const Backend& b = backend_for(x);
  const auto run = require(b, b.modulated_conv2d, "modulated_conv2d");
  if (out.numel() > 0) run(x, weight, styles, noise, bias, out, plan, ctx);
}

}  // namespace pyapdraw
