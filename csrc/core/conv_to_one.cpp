#include "core/check.h"

namespace pyapdraw {

namespace {

constexpr int64_t kLongestSide = 16;
constexpr int kLargestUp = 4, kLargestPadding = 4096;

void check_weight(const Tensor& weight, const Tensor& x, bool transposed) {
  check::ndim(weight, "weight", 4, 4);
  check::float_dtype(weight, "weight", {DType::f32, DType::bf16});
  const int64_t kh = weight.shape[2], kw = weight.shape[3];
  PA_CHECK(kh >= 1 && kw >= 1 && kh <= kLongestSide && kw <= kLongestSide, "weight",
           "shape " + check::shape_text(weight) + " given, sides of 1 to 16 expected");
  if (transposed)
    check::shape(weight, "weight", {x.shape[1], 1, kh, kw});
  else
    check::shape(weight, "weight", {1, x.shape[1], kh, kw});
  check::same_device(weight, "weight", x, "x");
}

void check_options(const ConvToOne& how, const Tensor& x) {
  PA_CHECK(how.up >= 1 && how.up <= kLargestUp, "up", std::to_string(how.up) + " given, 1 to 4 expected");
  PA_CHECK(how.padding >= 0 && how.padding <= kLargestPadding, "padding",
           std::to_string(how.padding) + " given, 0 to 4096 expected");
  if (how.mode != Padding::reflect) return;
  PA_CHECK(how.up == 1, "padding_mode", "'reflect' given with up " + std::to_string(how.up) + ", 'zeros' expected");
  PA_CHECK(how.padding < x.shape[2] && how.padding < x.shape[3], "padding",
           std::to_string(how.padding) + " given, less than the sides of x, " + check::shape_text(x) +
               ", expected for 'reflect'");
}

}  // namespace

void conv_to_one(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& out, const ConvToOne& how,
                 const Context& ctx) {
  check::ndim(x, "x", 4, 4);
  check::float_dtype(x, "x", {DType::f32, DType::bf16});
  PA_CHECK(x.shape[1] >= 1 && x.shape[2] >= 1 && x.shape[3] >= 1, "x",
           "shape " + check::shape_text(x) + " given, at least one channel and one pixel expected");
  check_options(how, x);
  check_weight(weight, x, how.up > 1);
  const bool with_bias = !(bias.ndim == 1 && bias.shape[0] == 0 && bias.dtype == DType::u8);
  if (with_bias) {
    check::dtype(bias, "bias", {DType::f32, x.dtype});
    check::shape(bias, "bias", {1});
    check::same_device(bias, "bias", x, "x");
  }
  int64_t size[2];
  for (int i = 0; i < 2; ++i) {
    const int64_t n = x.shape[2 + i], k = weight.shape[2 + i], p = 2 * static_cast<int64_t>(how.padding);
    size[i] = how.up == 1 ? n + p - k + 1 : (n - 1) * how.up - p + k;
    PA_CHECK(size[i] >= 1, "x",
             "shape " + check::shape_text(x) + " given, too small for weight " + check::shape_text(weight) +
                 " and padding " + std::to_string(how.padding));
  }
  check::shape(out, "out", {x.shape[0], 1, size[0], size[1]});
  check::dtype(out, "out", {DType::f32, x.dtype});
  check::same_device(out, "out", x, "x");
  check::output(out, "out");
  check::no_overlap(out, "out", x, "x");
  check::no_overlap(out, "out", weight, "weight");
  check::no_overlap(out, "out", bias, "bias");
  const Backend& b = backend_for(x);
  const auto run = require(b, b.conv_to_one, "conv_to_one");
  if (out.numel() > 0) run(x, weight, bias, out, how, ctx);
}

}  // namespace pyapdraw
