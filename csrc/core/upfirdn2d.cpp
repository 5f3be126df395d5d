#include "core/check.h"

namespace pyapdraw {

namespace {

constexpr int64_t kLongestFilter = 64, kLargestFactor = 64, kLargestPadding = int64_t{1} << 31;

void check_options(const Resampling& how) {
  for (int i = 0; i < 2; ++i) {
    PA_CHECK(how.up[i] >= 1 && how.up[i] <= kLargestFactor, "up",
             std::to_string(how.up[i]) + " given, 1 to 64 expected");
    PA_CHECK(how.down[i] >= 1 && how.down[i] <= kLargestFactor, "down",
             std::to_string(how.down[i]) + " given, 1 to 64 expected");
  }
  for (int64_t p : how.padding)
    PA_CHECK(p > -kLargestPadding && p < kLargestPadding, "padding", std::to_string(p) + " given, out of range");
}

void check_filter(const Tensor& filter, const Tensor& x) {
  if (filter.ndim == 1 && filter.shape[0] == 0 && filter.dtype == DType::u8) return;  // stands for none
  check::dtype(filter, "f", {DType::f32});
  check::ndim(filter, "f", 1, 2);
  for (int i = 0; i < filter.ndim; ++i)
    PA_CHECK(filter.shape[i] >= 1 && filter.shape[i] <= kLongestFilter, "f",
             "shape " + check::shape_text(filter) + " given, sides of 1 to 64 expected");
  check::same_device(filter, "f", x, "x");
}

}  // namespace

void upfirdn2d(const Tensor& x, const Tensor& filter, const Tensor& out, const Resampling& how, const Context& ctx) {
  check::ndim(x, "x", 4, 4);
  check::float_dtype(x, "x", {DType::f32, DType::bf16, DType::f64});
  check_filter(filter, x);
  check_options(how);
  int64_t size[2];
  for (int i = 0; i < 2; ++i) {
    const int64_t taps = filter.numel() == 0 ? 1 : filter.size_back(filter.ndim == 1 ? 1 : 1 + i);
    const int64_t padded = x.size_back(1 + i) * how.up[i] + how.padding[2 * i] + how.padding[2 * i + 1];
    PA_CHECK(padded >= taps, "padding",
             "x " + check::shape_text(x) + " is " + std::to_string(padded) + (i ? " high" : " wide") +
                 " after upsampling and padding, at least the filter's " + std::to_string(taps) + " expected");
    size[i] = (padded - taps) / how.down[i] + 1;
  }
  check::shape(out, "out", {x.shape[0], x.shape[1], size[1], size[0]});
  check::dtype(out, "out", {x.dtype});
  check::same_device(out, "out", x, "x");
  check::output(out, "out");
  check::no_overlap(out, "out", x, "x");
  check::no_overlap(out, "out", filter, "f");
  const Backend& b = backend_for(x);
  const auto run = require(b, b.upfirdn2d, "upfirdn2d");
  if (out.numel() > 0) run(x, filter, out, how, ctx);
}

}  // namespace pyapdraw
