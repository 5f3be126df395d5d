// Bias, activation, gain and clamp in one pass, and the gradient of it: StyleGAN2's bias_act.
//   out = clamp(gain * act(x + b), -clamp, clamp);   grad_x = grad * gain * act' where |gain * act| < clamp, else 0
// Method: the axes are sorted by the output's strides and merged where all arrays allow it, so that NCHW is rows of H*W
// with one bias and NHWC is one long row whose bias repeats every C. A block of a row is widened to float32 in L1,
// activated there, and stored: one pass over memory, one loop an activation whatever the layout and the dtype.
// Outputs too large for the caches are written past them.
// Numerics: float32 inside (float64 for float64), one rounding to bfloat16 at the end.
#include <limits>

#include "core/activation_math.h"
#include "core/pages.h"
#include "cpu/convert.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"
#include "cpu/stream.h"

namespace pyapdraw {
namespace PA_ISA {

namespace {

constexpr int64_t kBlock = 1024;  // elements; three float blocks stay in L1

inline double to_wide(double x) { return x; }
inline float to_wide(float x) { return x; }
inline float to_wide(Bfloat16 x) { return to_float(x); }
inline void from_wide(double x, double& to) { to = x; }
inline void from_wide(float x, float& to) { to = x; }
inline void from_wide(float x, Bfloat16& to) { to = from_float<Bfloat16>(x); }

template <typename T, typename W>
void load_block(const T* from, int64_t step, W* to, int64_t count) {
  if (step == 1)
    for (int64_t i = 0; i < count; ++i) to[i] = to_wide(from[i]);
  else
    for (int64_t i = 0; i < count; ++i) to[i] = to_wide(from[i * step]);
}

template <typename T, typename W>
void store_block(const W* from, T* to, int64_t step, int64_t count, bool stream) {
  if (step != 1) {
    for (int64_t i = 0; i < count; ++i) from_wide(from[i], to[i * step]);
  } else if (!stream) {
    for (int64_t i = 0; i < count; ++i) from_wide(from[i], to[i]);
  } else if (sizeof(T) == sizeof(W)) {
    stream_copy(to, from, count * static_cast<int64_t>(sizeof(T)));
  } else {
    alignas(64) T narrow[kBlock];
    for (int64_t i = 0; i < count; ++i) from_wide(from[i], narrow[i]);
    stream_copy(to, narrow, count * static_cast<int64_t>(sizeof(T)));
  }
}

template <typename W>
struct Rule {
  W alpha, gain, inverse_gain, clamp;  // clamp < 0: none

  explicit Rule(const BiasAct& how)
      : alpha(static_cast<W>(how.alpha)),
        gain(static_cast<W>(how.gain)),
        inverse_gain(gain != 0 ? W(1) / gain : W(0)),
        clamp(static_cast<W>(how.clamp)) {}
};

template <typename W>
using Pass = void (*)(const Rule<W>& rule, W* x, const W* grad, int64_t count);

// x = gain * act(x), clamped. NaN passes the comparisons.
template <Activation A, typename W>
void forward(const Rule<W>& rule, W* x, const W*, int64_t count) {
  const W alpha = rule.alpha, gain = rule.gain, clamp = rule.clamp;
  for (int64_t i = 0; i < count; ++i) x[i] = act::value<A>(x[i], alpha) * gain;
  if (!(clamp >= 0)) return;
  for (int64_t i = 0; i < count; ++i) {
    const W v = x[i] > clamp ? clamp : x[i];
    x[i] = v < -clamp ? -clamp : v;
  }
}

// x = grad * derivative, from x = the forward result.
template <Activation A, typename W>
void backward(const Rule<W>& rule, W* x, const W* grad, int64_t count) {
  const W alpha = rule.alpha, gain = rule.gain, inverse = rule.inverse_gain;
  const W clamp = rule.clamp >= 0 ? rule.clamp : std::numeric_limits<W>::infinity();
  const bool open = !(rule.clamp >= 0);
  for (int64_t i = 0; i < count; ++i) {
    const W g = grad[i] * gain * act::slope<A>(x[i] * inverse, alpha);
    x[i] = open | (act::magnitude(x[i]) < clamp) ? g : W(0);
  }
}

// The same from x = the input with its bias.
template <Activation A, typename W>
void backward_from_input(const Rule<W>& rule, W* x, const W* grad, int64_t count) {
  const W alpha = rule.alpha, gain = rule.gain;
  const bool open = !(rule.clamp >= 0);
  for (int64_t i = 0; i < count; ++i) {
    const W v = x[i], y = act::value<A>(v, alpha) * gain;
    const W slope = A == Activation::lrelu ? (v < 0 ? alpha : W(1)) : act::slope<A>(v, alpha);
    x[i] = open | (act::magnitude(y) < rule.clamp) ? grad[i] * gain * slope : W(0);
  }
}

template <typename W>
Pass<W> forward_pass(Activation a) {
  switch (a) {
    case Activation::relu: return forward<Activation::relu, W>;
    case Activation::lrelu: return forward<Activation::lrelu, W>;
    case Activation::tanh: return forward<Activation::tanh, W>;
    case Activation::sigmoid: return forward<Activation::sigmoid, W>;
    case Activation::elu: return forward<Activation::elu, W>;
    case Activation::selu: return forward<Activation::selu, W>;
    case Activation::softplus: return forward<Activation::softplus, W>;
    case Activation::swish: return forward<Activation::swish, W>;
    case Activation::linear: break;
  }
  return forward<Activation::linear, W>;
}

template <typename W>
Pass<W> backward_pass(Activation a, bool from_input) {
  switch (a) {
    case Activation::relu: return backward<Activation::relu, W>;
    case Activation::lrelu:
      return from_input ? backward_from_input<Activation::lrelu, W> : backward<Activation::lrelu, W>;
    case Activation::tanh: return backward<Activation::tanh, W>;
    case Activation::sigmoid: return backward<Activation::sigmoid, W>;
    case Activation::elu: return backward<Activation::elu, W>;
    case Activation::selu: return backward<Activation::selu, W>;
    case Activation::softplus: return backward<Activation::softplus, W>;
    case Activation::swish: return backward_from_input<Activation::swish, W>;
    case Activation::linear: break;
  }
  return backward<Activation::linear, W>;
}

enum Operand { kFirst, kSecond, kOut, kBias, kOperands };  // kFirst: x or kept, kSecond: grad or x again

// Axes of all operands in order of the output's strides, merged where every operand steps evenly.
struct Nest {
  int axes = 0;
  int64_t size[kMaxDims + 1] = {}, step[kOperands][kMaxDims + 1] = {};

  Nest(const Tensor& first, const Tensor& second, const Tensor& out, int dim, bool with_bias) {
    const auto reach = [&](int i) { return out.stride[i] < 0 ? -out.stride[i] : out.stride[i]; };
    bool done[kMaxDims] = {};
    for (int n = 0; n < out.ndim; ++n) {
      int widest = -1;
      for (int i = 0; i < out.ndim; ++i)
        if (!done[i] && (widest < 0 || reach(i) > reach(widest))) widest = i;
      done[widest] = true;
      if (out.shape[widest] != 1)
        add(out.shape[widest],
            {first.stride[widest], second.stride[widest], out.stride[widest], with_bias && widest == dim ? 1 : 0});
    }
    if (axes == 0) add(1, {1, 1, 1, 0});
  }

 private:
  struct Steps {
    int64_t of[kOperands];
  };
  void add(int64_t n, const Steps& s) {
    bool even = axes > 0;
    for (int k = 0; k < kOperands; ++k) even = even && step[k][axes - 1] == s.of[k] * n;
    if (even)
      size[axes - 1] *= n;
    else
      size[axes++] = n;
    for (int k = 0; k < kOperands; ++k) step[k][axes - 1] = s.of[k];
  }
};

// Rows that are worked off in blocks. period: after how many elements the bias repeats (0: one bias a row).
struct Rows {
  int axes;  // of the nest, without those within a row
  int64_t length, block, period;

  explicit Rows(const Nest& nest) : axes(nest.axes - 1), length(nest.size[nest.axes - 1]), block(kBlock), period(0) {
    if (nest.step[kBias][axes] == 0) return;
    period = length;
    if (length >= kBlock) return;
    // A short row with its own biases, as NHWC has: several pixels are one row where they lie evenly in memory.
    block = kBlock / length * length;
    if (axes > 0 && nest.step[kBias][axes - 1] == 0) {
      bool even = true;
      for (int k = 0; k < kBias; ++k) even = even && nest.step[k][axes - 1] == nest.step[k][axes] * length;
      if (even) length *= nest.size[--axes];
    }
  }
};

// The biases as W, repeated until a block is filled.
template <typename W>
void fill_bias(const Tensor& bias, int64_t count, int64_t filled, W* to) {
  const auto at = [&](int64_t i) -> W {
    const int64_t from = i * bias.stride[0];
    if (bias.dtype == DType::f32) return static_cast<W>(bias.as<float>()[from]);
    if (bias.dtype == DType::bf16) return static_cast<W>(to_float(bias.as<Bfloat16>()[from]));
    return static_cast<W>(bias.as<double>()[from]);
  };
  for (int64_t i = 0; i < count; ++i) to[i] = at(i);
  for (int64_t i = count; i < filled; ++i) to[i] = to[i - count];
}

template <typename T, typename W>
void run(const Tensor& first, const Tensor* grad_in, const Tensor& bias, const Tensor& out, const Rule<W>& rule,
         Pass<W> pass, int dim, const Context& ctx) {
  const bool with_second = grad_in != nullptr, with_bias = bias.numel() > 0;
  const Tensor& second = with_second ? *grad_in : first;
  hint_large_pages(out);
  const Nest nest(first, second, out, dim, with_bias);
  const Rows rows(nest);
  const int64_t channels = with_bias ? out.shape[dim] : 0;
  const int64_t filled = channels > rows.block ? channels : rows.block;
  Scratch<W> biases(with_bias ? filled : 0);
  if (with_bias) fill_bias(bias, channels, filled, biases.get());
  const int inner = nest.axes - 1;
  const int64_t blocks = (rows.length + rows.block - 1) / rows.block;
  int64_t items = blocks;
  for (int i = 0; i < rows.axes; ++i) items *= nest.size[i];
  const int64_t usual = rows.length < rows.block ? rows.length : rows.block;
  const bool stream = out.numel() * static_cast<int64_t>(sizeof(T)) >= kStreamBytes;

  parallel_for(items, 1 + 16 * kBlock / usual, ctx, [&](int64_t begin, int64_t end) {
    alignas(64) W x[kBlock], grad[kBlock];
    for (int64_t item = begin; item < end; ++item) {
      const int64_t start = item % blocks * rows.block;
      const int64_t count = start + rows.block < rows.length ? rows.block : rows.length - start;
      int64_t rest = item / blocks, at[kOperands] = {};
      for (int i = rows.axes - 1; i >= 0; rest /= nest.size[i--])
        for (int k = 0; k < kOperands; ++k) at[k] += rest % nest.size[i] * nest.step[k][i];
      for (int k = 0; k < kBias; ++k) at[k] += start * nest.step[k][inner];
      load_block(first.as<T>() + at[kFirst], nest.step[kFirst][inner], x, count);
      if (with_bias && rows.period) {
        const W* b = biases.get() + (rows.period >= kBlock ? start : 0);
        for (int64_t i = 0; i < count; ++i) x[i] += b[i];
      } else if (with_bias) {
        const W b = biases[at[kBias]];
        for (int64_t i = 0; i < count; ++i) x[i] += b;
      }
      if (with_second) load_block(second.as<T>() + at[kSecond], nest.step[kSecond][inner], grad, count);
      pass(rule, x, with_second ? grad : x, count);
      store_block(x, out.as<T>() + at[kOut], nest.step[kOut][inner], count, stream);
    }
    if (stream) stream_fence();
  });
}

template <typename F>
void for_type(DType t, F&& f) {
  if (t == DType::f64)
    f(0.0, 0.0);
  else if (t == DType::bf16)
    f(Bfloat16{}, 0.0f);
  else
    f(0.0f, 0.0f);
}

}  // namespace

void bias_act(const Tensor& x, const Tensor& bias, const Tensor& out, const BiasAct& how, int dim, const Context& ctx) {
  for_type(x.dtype, [&](auto element, auto wide) {
    using T = decltype(element);
    using W = decltype(wide);
    run<T, W>(x, nullptr, bias, out, Rule<W>(how), forward_pass<W>(how.activation), dim, ctx);
  });
}

void bias_act_backward(const Tensor& grad, const Tensor& kept, const Tensor& bias, const Tensor& out,
                       const BiasAct& how, int dim, const Context& ctx) {
  const bool from_input = act::needs_input(how.activation, how.alpha);
  Tensor none;
  none.ndim = 1;  // no elements
  for_type(grad.dtype, [&](auto element, auto wide) {
    using T = decltype(element);
    using W = decltype(wide);
    run<T, W>(kept, &grad, from_input ? bias : none, out, Rule<W>(how), backward_pass<W>(how.activation, from_input),
              dim, ctx);
  });
}

}  // namespace PA_ISA
}  // namespace pyapdraw
