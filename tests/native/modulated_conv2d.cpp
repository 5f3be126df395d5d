#include "fuzz.h"

using namespace pyapdraw;
using fuzz::Layout;

PA_FUZZ(modulated_conv2d) {
  const int64_t n = t.pick(0, 2), i = t.pick(1, 40), o = t.pick(1, 40), k = t.one_of<int64_t>({1, 3});
  ModulatedConvOptions options;
  options.demodulate = t.coin();
  options.up = t.one_of({1, 2}), options.down = options.up == 1 ? t.one_of({1, 2}) : 1;
  options.activation = t.one_of({Activation::linear, Activation::relu, Activation::lrelu});
  options.clamp = t.one_of({-1.0f, 0.5f});
  const int64_t h = t.pick(2, 18), w = t.pick(2, 24);
  const int64_t out_h = h * options.up / options.down, out_w = w * options.up / options.down;
  const bool half = t.coin(), packed = t.coin();
  const auto some = [&](std::vector<int64_t> shape) -> const Tensor& {
    return half ? t.in_bf16(shape, -1, 1) : t.in<float>(shape, -1, 1);
  };
  const Tensor& x = some({n, i, h, w});
  const Tensor& weight = packed ? t.in_bf16({o, i, k, k}, -1, 1) : t.in<float>({o, i, k, k}, -1, 1);
  const Tensor &styles = t.in<float>({n, i}, -1, 2), &bias = t.coin() ? t.in<float>({o}, -1, 1) : t.none();
  const Tensor& filter = t.coin() ? t.in<float>({t.pick(1, 8)}, 0, 1) : t.none();
  const Tensor& noise = t.coin() ? t.in<float>({t.coin() ? 1 : n, 1, out_h, out_w}, -1, 1) : t.none();
  const Tensor& out = half ? t.out_bf16({n, o, out_h, out_w}) : t.out<float>({n, o, out_h, out_w});
  t.call([&] { modulated_conv2d(x, weight, styles, filter, noise, bias, out, options, t.ctx); });
}

PA_FUZZ(modulated_conv2d_backward_weight) {
  const int64_t n = t.pick(0, 2), i = t.pick(1, 40), o = t.pick(1, 40), k = t.one_of<int64_t>({1, 3});
  const int64_t h = t.pick(3, 18), w = t.pick(3, 24), stride = t.pick(1, 2), pad = t.pick(0, 1);
  const bool half = t.coin();
  const auto some = [&](std::vector<int64_t> shape) -> const Tensor& {
    return half ? t.in_bf16(shape, -1, 1) : t.in<float>(shape, -1, 1);
  };
  const Tensor& grad = some({n, o, (h + 2 * pad - k) / stride + 1, (w + 2 * pad - k) / stride + 1});
  const Tensor &grad_scale = t.in<float>({n, o}, -1, 2), &x = some({n, i, h, w}), &x_scale = t.in<float>({n, i}, -1, 2);
  const Tensor& grad_weight = t.out<float>({o, i, k, k});
  t.call([&] {
    modulated_conv2d_backward_weight(grad, grad_scale, x, x_scale, grad_weight, static_cast<int>(stride),
                                     static_cast<int>(pad), t.ctx);
  });
}
