// Operations of StyleGAN2 around its convolutions, and the last layer of a drawing network.
#include "trial.h"

using namespace pyapdraw;

namespace {

using Shape = std::vector<int64_t>;

const Tensor& some(trial::Trial& t, int kind, const Shape& shape, double low = -2, double high = 2) {
  if (kind == 1) return t.in_bf16(shape, low, high);
  return kind == 2 ? t.in<double>(shape, low, high) : t.in<float>(shape, low, high, trial::Layout::any, t.coin());
}

const Tensor& result(trial::Trial& t, int kind, const Shape& shape) {
  if (kind == 1) return t.out_bf16(shape);
  return kind == 2 ? t.out<double>(shape) : t.out<float>(shape);
}

BiasAct some_activation(trial::Trial& t) {
  BiasAct how;
  how.activation = static_cast<Activation>(t.pick(0, 8));
  how.alpha = t.one_of({0.2, -0.5}), how.gain = t.one_of({1.0, 1.4}), how.clamp = t.one_of({-1.0, 0.7});
  return how;
}

}  // namespace

PA_TRIAL(bias_act) {
  const int kind = static_cast<int>(t.pick(0, 2));
  const Shape shape{t.pick(0, 3), t.pick(1, 20), t.pick(0, 20), t.pick(1, 50)};
  const int dim = static_cast<int>(t.pick(0, 3));
  const Tensor &x = some(t, kind, shape), &bias = t.coin() ? some(t, kind, {shape[dim]}) : t.none();
  const Tensor& out = result(t, kind, shape);
  const BiasAct how = some_activation(t);
  t.call([&] { bias_act(x, bias, out, how, dim, t.ctx); });
}

PA_TRIAL(bias_act_backward) {
  const int kind = static_cast<int>(t.pick(0, 2));
  const Shape shape{t.pick(0, 3), t.pick(1, 20), t.pick(0, 20), t.pick(1, 50)};
  const Tensor &grad = some(t, kind, shape), &kept = some(t, kind, shape), &bias = some(t, kind, {shape[1]});
  const Tensor& out = result(t, kind, shape);
  const BiasAct how = some_activation(t);
  t.call([&] { bias_act_backward(grad, kept, bias, out, how, 1, t.ctx); });
}

PA_TRIAL(upfirdn2d) {
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
