// Operations of StyleGAN2 around its convolutions, the normalisation and the last layer of drawing networks.
#include "fuzz.h"

using namespace pyapdraw;

namespace {

using Shape = std::vector<int64_t>;

const Tensor& some(fuzz::Case& t, int kind, const Shape& shape, double low = -2, double high = 2) {
  if (kind == 1) return t.in_bf16(shape, low, high);
  return kind == 2 ? t.in<double>(shape, low, high) : t.in<float>(shape, low, high, fuzz::Layout::any, t.coin());
}

const Tensor& result(fuzz::Case& t, int kind, const Shape& shape) {
  if (kind == 1) return t.out_bf16(shape);
  return kind == 2 ? t.out<double>(shape) : t.out<float>(shape);
}

BiasAct some_activation(fuzz::Case& t) {
  BiasAct how;
  how.activation = static_cast<Activation>(t.pick(0, 8));
  how.alpha = t.one_of({0.2, -0.5}), how.gain = t.one_of({1.0, 1.4}), how.clamp = t.one_of({-1.0, 0.7});
  return how;
}

}  // namespace

PA_FUZZ(bias_act) {
  const int kind = static_cast<int>(t.pick(0, 2));
  const Shape shape{t.pick(0, 3), t.pick(1, 20), t.pick(0, 20), t.pick(1, 50)};
  const int dim = static_cast<int>(t.pick(0, 3));
  const Tensor &x = some(t, kind, shape), &bias = t.coin() ? some(t, kind, {shape[dim]}) : t.none();
  const Tensor& out = result(t, kind, shape);
  const BiasAct how = some_activation(t);
  t.call([&] { bias_act(x, bias, out, how, dim, t.ctx); });
}

PA_FUZZ(bias_act_backward) {
  const int kind = static_cast<int>(t.pick(0, 2));
  const Shape shape{t.pick(0, 3), t.pick(1, 20), t.pick(0, 20), t.pick(1, 50)};
  const Tensor &grad = some(t, kind, shape), &kept = some(t, kind, shape), &bias = some(t, kind, {shape[1]});
  const Tensor& out = result(t, kind, shape);
  const BiasAct how = some_activation(t);
  t.call([&] { bias_act_backward(grad, kept, bias, out, how, 1, t.ctx); });
}

PA_FUZZ(upfirdn2d) {
  const int kind = static_cast<int>(t.pick(0, 2));
  const int64_t n = t.pick(0, 2), c = t.pick(1, 20), h = t.pick(1, 30), w = t.pick(1, 40);
  const int64_t fh = t.pick(1, 8), fw = t.pick(1, 8);
  Resampling how;
  for (int i = 0; i < 2; ++i) how.up[i] = static_cast<int>(t.pick(1, 3)), how.down[i] = static_cast<int>(t.pick(1, 3));
  for (int64_t& p : how.padding) p = t.pick(-1, 6);
  how.flip_filter = t.coin();
  how.padding[1] += fw, how.padding[3] += fh;  // so that there is an output
  const int64_t oh = (h * how.up[1] + how.padding[2] + how.padding[3] - fh) / how.down[1] + 1;
  const int64_t ow = (w * how.up[0] + how.padding[0] + how.padding[1] - fw) / how.down[0] + 1;
  const Tensor &x = some(t, kind, {n, c, h, w}), &filter = t.in<float>({fh, fw}, -1, 1);
  const Tensor& out = result(t, kind, {n, c, oh, ow});
  t.call([&] { upfirdn2d(x, filter, out, how, t.ctx); });
}

PA_FUZZ(instance_norm) {
  const int kind = static_cast<int>(t.pick(0, 1));
  const int64_t c = t.pick(0, 1) ? t.pick(1, 20) : 4 * t.pick(1, 20);
  const Shape shape{t.pick(0, 3), c, t.pick(0, 20), t.pick(1, 50)};
  const Tensor &x = some(t, kind, shape), &weight = t.coin() ? t.in<float>({c}, -2, 2) : t.none();
  const Tensor &bias = t.coin() ? t.in<float>({c}, -2, 2) : t.none(), &out = result(t, kind, shape);
  t.call([&] { instance_norm(x, weight, bias, out, 1e-5, t.ctx); });
}

PA_FUZZ(conv_to_one) {
  const int kind = static_cast<int>(t.pick(0, 1));
  const int64_t n = t.pick(0, 2), c = t.pick(1, 70), h = t.pick(4, 24), w = t.pick(4, 40), k = t.pick(1, 7);
  ConvToOne how;
  how.up = static_cast<int>(t.pick(1, 3));
  how.padding = static_cast<int>(t.pick(how.up == 1 ? k / 2 : 0, how.up == 1 ? 3 : (k - 1) / 2));
  how.mode = how.up == 1 && t.coin() ? Padding::reflect : Padding::zeros;
  how.activation = t.one_of({Activation::linear, Activation::relu, Activation::tanh, Activation::sigmoid});
  const auto side = [&](int64_t s) {
    return how.up == 1 ? s + 2 * how.padding - k + 1 : (s - 1) * how.up - 2 * how.padding + k;
  };
  if (side(h) < 1 || side(w) < 1) return;
  const Tensor& x = some(t, kind, {n, c, h, w});
  const Tensor& weight = t.in<float>(how.up == 1 ? Shape{1, c, k, k} : Shape{c, 1, k, k}, -1, 1);
  const Tensor &bias = t.coin() ? t.in<float>({1}, -1, 1) : t.none(), &out = result(t, kind, {n, 1, side(h), side(w)});
  t.call([&] { conv_to_one(x, weight, bias, out, how, t.ctx); });
}
