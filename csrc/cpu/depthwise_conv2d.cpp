// Depthwise 2D convolution with bias and an activation on channel-last float32:
//   out[n,y,u,c] = act(bias[c] + sum over ky, kx of x[n, y*stride+ky-pad, u*stride+kx-pad, c] weight[ky,kx,c]),
// zero beyond x.
//
// Method: pixel by pixel, channels in vectors, the last ones in shorter vectors; taps beyond the border are left out.
// A row of outputs reads kh rows of inputs, which stay in the cache for the next.
// Numerics: one float32 accumulator an output, from the bias on in the order ky, kx: results do not depend on the
// number of threads.
#include "cpu/kernels.h"
#include "cpu/lanes.h"
#include "cpu/parallel.h"

namespace pyapdraw {
namespace PA_ISA {
namespace {

typedef float Quad __attribute__((vector_size(16), aligned(4), may_alias));

// As template arguments vector types would lose their alignment.
struct Whole {
  typedef lanes::Vec Type;
  static constexpr int kCount = lanes::kCount;
};
struct Four {
  typedef Quad Type;
  static constexpr int kCount = 4;
};
struct One {
  typedef float Type;
  static constexpr int kCount = 1;
};

// The taps of one window that lie in x.
struct Window {
  const float *x, *weight;
  int64_t rows, columns, row_step, column_step, weight_row, channels;
};

template <typename L, MapActivation A>
inline void channels_at(const Window& t, const float* bias, int64_t c, float* out) {
  typedef typename L::Type V;
  V sum = *reinterpret_cast<const V*>(bias + c);
  for (int64_t ky = 0; ky < t.rows; ++ky) {
    const float *x = t.x + ky * t.row_step + c, *w = t.weight + ky * t.weight_row + c;
    for (int64_t kx = 0; kx < t.columns; ++kx, x += t.column_step, w += t.channels)
      sum += *reinterpret_cast<const V*>(x) * *reinterpret_cast<const V*>(w);
  }
  const V zero = V{};
  if (A == MapActivation::relu) sum = sum < 0.0f ? zero : sum;  // NaN stays
  if (A == MapActivation::hard_swish) {
    V gate = sum + 3.0f;
    gate = gate < 0.0f ? zero : gate;
    gate = gate > 6.0f ? zero + 6.0f : gate;
    sum = sum * gate / 6.0f;
  }
  *reinterpret_cast<V*>(out + c) = sum;
}

template <MapActivation A>
void pixel(const Window& t, const float* bias, float* out) {
  int64_t c = 0;
  for (; c + Whole::kCount <= t.channels; c += Whole::kCount) channels_at<Whole, A>(t, bias, c, out);
  for (; c + Four::kCount <= t.channels; c += Four::kCount) channels_at<Four, A>(t, bias, c, out);
  for (; c < t.channels; ++c) channels_at<One, A>(t, bias, c, out);
}

}  // namespace

void depthwise_conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& out, int stride, int pad,
                      MapActivation activation, const Context& ctx) {
  const int64_t kh = weight.shape[0], kw = weight.shape[1], c = x.shape[3], h = x.shape[1], w = x.shape[2];
  const int64_t ho = out.shape[1], wo = out.shape[2];
  const auto run = activation == MapActivation::linear ? pixel<MapActivation::linear>
                   : activation == MapActivation::relu ? pixel<MapActivation::relu>
                                                       : pixel<MapActivation::hard_swish>;
  parallel_for(out.shape[0] * ho, 1 + 40000 / (wo * c * kh * kw + 1), ctx, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t n = row / ho, y = row % ho, top = y * stride - pad;
      const int64_t ky0 = top < 0 ? -top : 0, ky1 = top + kh > h ? h - top : kh;
      const float* in = x.as<float>() + n * x.stride[0] + (top + ky0) * x.stride[1];
      float* to = out.as<float>() + n * out.stride[0] + y * out.stride[1];
      Window t{nullptr, nullptr, ky1 - ky0, 0, x.stride[1], x.stride[2], kw * c, c};
      for (int64_t u = 0; u < wo; ++u, to += out.stride[2]) {
        const int64_t left = u * stride - pad, kx0 = left < 0 ? -left : 0, kx1 = left + kw > w ? w - left : kw;
        t.x = in + (left + kx0) * x.stride[2];
        t.weight = weight.as<float>() + (ky0 * kw + kx0) * c;
        t.columns = kx1 - kx0;
        run(t, bias.as<float>(), to);
      }
    }
  });
}

}  // namespace PA_ISA
}  // namespace pyapdraw
