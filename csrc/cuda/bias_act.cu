// Bias, activation, gain and clamp in one pass, and the gradient of it: StyleGAN2's bias_act.
//   out = clamp(gain * act(x + b), -clamp, clamp);   grad_x = grad * gain * act' where |gain * act| < clamp, else 0
// Method: where all arrays fill the same memory without gaps (NCHW, NHWC, anything dense), a thread loads 16 bytes of
// each, follows the bias from one element to the next, and goes on by a grid's length; arrays that begin within 16
// bytes, and the last few elements, go one at a time. Otherwise a thread takes an element and finds it in every array
// by its strides, axes in order of the output's. The activation is a branch that all threads take alike.
// Shared memory: none. Numerics: core/activation_math.h in float32 (float64 for float64), rounded once.
#include "cuda/activation.cuh"
#include "cuda/dtype.cuh"
#include "cuda/kernels.h"
#include "cuda/launch.cuh"
#include "cuda/pack.cuh"

namespace pyapdraw {
namespace cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kMostBlocks = 132 * 32;  // of a dense pass: several for every place on a large device

template <typename W>
struct Rule {
  Activation activation;
  bool from_input;                     // the gradient: from x and its bias, not from the result
  W alpha, gain, inverse_gain, clamp;  // clamp < 0: none

  Rule(const BiasAct& how, bool input)
      : activation(how.activation),
        from_input(input),
        alpha(static_cast<W>(how.alpha)),
        gain(static_cast<W>(how.gain)),
        inverse_gain(gain != 0 ? W(1) / gain : W(0)),
        clamp(static_cast<W>(how.clamp)) {}
};

// Which bias an element of dense memory has: that of channel i / inner % channels. channels 0: none.
struct Biases {
  Tensor values;
  int64_t inner = 1, channels = 0;
};

template <typename T>
__device__ Wide<T> bias_at(const Tensor& values, int64_t channel) {
  const int64_t i = channel * values.stride[0];
  return values.dtype == DType::f32 ? static_cast<Wide<T>>(values.as<float>()[i]) : widen(values.as<T>()[i]);
}

// v = gain * act(v), clamped. NaN passes the comparisons.
template <int N, typename W>
__device__ void forward(const Rule<W>& rule, W (&v)[N]) {
  activate(rule.activation, v, rule.alpha);
  const bool open = !(rule.clamp >= W(0));
  for (int k = 0; k < N; ++k) {
    const W y = v[k] * rule.gain, low = y > rule.clamp ? rule.clamp : y;
    v[k] = open ? y : (low < -rule.clamp ? -rule.clamp : low);
  }
}

// v = grad * derivative; v is the forward result before, or the input with its bias where the rule says so.
template <Activation A, int N, typename W>
__device__ void backward(const Rule<W>& rule, const W (&grad)[N], W (&v)[N]) {
  const bool open = !(rule.clamp >= W(0));
  for (int k = 0; k < N; ++k) {
    W y = v[k], slope;
    if ((A == Activation::lrelu || A == Activation::swish) && rule.from_input) {
      y = act::value<A>(v[k], rule.alpha) * rule.gain;
      slope = A == Activation::lrelu ? (v[k] < W(0) ? rule.alpha : W(1)) : act::slope<A>(v[k], rule.alpha);
    } else {
      slope = act::slope<A>(v[k] * rule.inverse_gain, rule.alpha);
    }
    v[k] = open || act::magnitude(y) < rule.clamp ? grad[k] * rule.gain * slope : W(0);
  }
}

template <int N, typename W>
__device__ void backward(const Rule<W>& rule, const W (&grad)[N], W (&v)[N]) {
  switch (rule.activation) {
    case Activation::linear: return backward<Activation::linear>(rule, grad, v);
    case Activation::relu: return backward<Activation::relu>(rule, grad, v);
    case Activation::lrelu: return backward<Activation::lrelu>(rule, grad, v);
    case Activation::tanh: return backward<Activation::tanh>(rule, grad, v);
    case Activation::sigmoid: return backward<Activation::sigmoid>(rule, grad, v);
    case Activation::elu: return backward<Activation::elu>(rule, grad, v);
    case Activation::selu: return backward<Activation::selu>(rule, grad, v);
    case Activation::softplus: return backward<Activation::softplus>(rule, grad, v);
    case Activation::swish: return backward<Activation::swish>(rule, grad, v);
  }
}

// v += the biases of N elements from element i on.
template <typename T, int N>
__device__ void add_bias(const Biases& b, int64_t i, Wide<T> (&v)[N]) {
  if (b.channels == 0) return;
  int64_t channel = i / b.inner % b.channels, place = i % b.inner;
  Wide<T> value = bias_at<T>(b.values, channel);
  for (int k = 0; k < N; ++k) {
    v[k] += value;
    if (++place < b.inner || k + 1 == N) continue;
    place = 0;
    channel = channel + 1 < b.channels ? channel + 1 : 0;
    value = bias_at<T>(b.values, channel);
  }
}

// N elements from i on of dense memory; grad null: forward.
template <typename T, int N>
__device__ void work_off(const T* first, const T* grad, T* out, int64_t i, const Biases& b, const Rule<Wide<T>>& rule) {
  Wide<T> v[N];
  const Pack<T, N> x = load_pack<N>(first + i);
  for (int k = 0; k < N; ++k) v[k] = widen(x.v[k]);
  Pack<T, N> result;
  if (grad) {
    const Pack<T, N> g = load_pack<N>(grad + i);
    Wide<T> wide[N];
    for (int k = 0; k < N; ++k) wide[k] = widen(g.v[k]);
    add_bias<T>(b, i, v);
    backward(rule, wide, v);
  } else {
    add_bias<T>(b, i, v);
    forward(rule, v);
  }
  for (int k = 0; k < N; ++k) result.v[k] = narrow<T>(v[k]);
  store_pack(result, out + i);
}

// count elements of gapless memory, N at a time.
template <typename T, int N>
PA_KERNEL void __launch_bounds__(kThreads)
    bias_act_dense_kernel(const T* first, const T* grad, T* out, int64_t count, Biases b, Rule<Wide<T>> rule) {
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
  const int64_t thread = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  for (int64_t i = thread; i < count / N; i += stride) work_off<T, N>(first, grad, out, i * N, b, rule);
  const int64_t rest = count / N * N + thread;
  if (N > 1 && rest < count) work_off<T, 1>(first, grad, out, rest, b, rule);
}

// Axes in order of the output's strides, widest first.
struct Axes {
  int count = 0, dim = -1;  // dim: place of the bias's axis
  int64_t size[kMaxDims], first[kMaxDims], grad[kMaxDims], out[kMaxDims];

  Axes(const Tensor& a, const Tensor& b, const Tensor& to, int bias_dim) {
    const auto reach = [&](int i) { return to.stride[i] < 0 ? -to.stride[i] : to.stride[i]; };
    bool done[kMaxDims] = {};
    for (; count < to.ndim; ++count) {
      int widest = -1;
      for (int i = 0; i < to.ndim; ++i)
        if (!done[i] && (widest < 0 || reach(i) > reach(widest))) widest = i;
      done[widest] = true;
      if (widest == bias_dim) dim = count;
      size[count] = to.shape[widest], first[count] = a.stride[widest];
      grad[count] = b.stride[widest], out[count] = to.stride[widest];
    }
  }
};

template <typename T>
PA_KERNEL void __launch_bounds__(kThreads) bias_act_strided_kernel(const T* first, const T* grad, T* out, int64_t count,
                                                                   Axes axes, Tensor bias, Rule<Wide<T>> rule) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= count) return;
  int64_t rest = i, channel = 0, at = 0, at_grad = 0, at_out = 0;
  for (int k = axes.count - 1; k >= 0; --k) {
    const int64_t place = rest % axes.size[k];
    rest /= axes.size[k];
    at += place * axes.first[k], at_grad += place * axes.grad[k], at_out += place * axes.out[k];
    if (k == axes.dim) channel = place;
  }
  Wide<T> v[1] = {widen(first[at])};
  if (axes.dim >= 0) v[0] += bias_at<T>(bias, channel);
  if (grad) {
    const Wide<T> g[1] = {widen(grad[at_grad])};
    backward(rule, g, v);
  } else {
    forward(rule, v);
  }
  out[at_out] = narrow<T>(v[0]);
}

// first: x or what was kept; grad null: forward.
template <typename T>
void run(const Tensor& first, const Tensor* grad, const Tensor& bias, const Tensor& out, const Rule<Wide<T>>& rule,
         int dim, const Context& ctx) {
  const bool with_bias = bias.numel() > 0;
  const Tensor& second = grad ? *grad : first;
  const T* from = grad ? grad->as<T>() : nullptr;
  const int64_t count = out.numel();
  if (!dense(out) || !same_strides(out, first) || !same_strides(out, second)) {
    const Axes axes(first, second, out, with_bias ? dim : -1);
    launch(bias_act_strided_kernel<T>, dim3(blocks(count, kThreads)), dim3(kThreads), 0, ctx, first.as<T>(), from,
           out.as<T>(), count, axes, bias, rule);
    return;
  }
  Biases b;
  b.values = bias;
  if (with_bias) {
    b.channels = out.shape[dim];
    b.inner = b.channels > 1 ? out.stride[dim] : count;
  }
  const uintptr_t places = reinterpret_cast<uintptr_t>(first.data) | reinterpret_cast<uintptr_t>(second.data) |
                           reinterpret_cast<uintptr_t>(out.data);
  const bool aligned = places % 16 == 0;
  const int64_t items = aligned ? (count + kPack<T> - 1) / kPack<T> : count;
  const dim3 grid(blocks(items, kThreads, kMostBlocks)), block(kThreads);
  if (aligned)
    launch(bias_act_dense_kernel<T, kPack<T>>, grid, block, 0, ctx, first.as<T>(), from, out.as<T>(), count, b, rule);
  else
    launch(bias_act_dense_kernel<T, 1>, grid, block, 0, ctx, first.as<T>(), from, out.as<T>(), count, b, rule);
}

}  // namespace

void bias_act(const Tensor& x, const Tensor& bias, const Tensor& out, const BiasAct& how, int dim, const Context& ctx) {
  for_wide_float_type(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    run<T>(x, nullptr, bias, out, Rule<Wide<T>>(how, false), dim, ctx);
  });
}

void bias_act_backward(const Tensor& grad, const Tensor& kept, const Tensor& bias, const Tensor& out,
                       const BiasAct& how, int dim, const Context& ctx) {
  const bool from_input = act::needs_input(how.activation, how.alpha);
  Tensor none;
  none.ndim = 1;  // no elements
  for_wide_float_type(grad.dtype, [&](auto zero) {
    using T = decltype(zero);
    run<T>(kept, &grad, from_input ? bias : none, out, Rule<Wide<T>>(how, from_input), dim, ctx);
  });
}

}  // namespace cuda
}  // namespace pyapdraw
