// A convolution, or transposed convolution, with one output channel, its bias and its activation.
//   out[y,x] = act(bias + sum_{c,k,l} weight[c,k,l] x[c, y + k - padding, x + l - padding]), or scattered where
//   transposed
// Method: such a layer gives a matrix product nothing to be wide in but its taps. For every row of taps, a source row
// is multiplied with them as a matrix product over channels (C -> kw partial rows, 16 pixels in a vector), and the
// partial rows are added to an output row, each shifted by its tap. A source row is turned once from channels to pixels
// innermost, 64 pixels at a time, and used by all rows of taps while it is in L2; partial rows stay in L1.
// Reflection: rows by addressing, columns by copying the ends of partial rows. No padded copy of x is made.
// bfloat16 inputs are multiplied in pairs (AVX-512-BF16) where the processor can, else widened to float32.
// A band of output rows is an item of work; every product belongs to one output row, so bands compute nothing twice.
// Numerics: float32 sums, over channels first, then taps, in the same order for any number of threads.
#include "core/activation_math.h"
#include "cpu/conv_to_one_gemm.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"

namespace pyapdraw {
namespace PA_ISA {

namespace {

using lanes::Vec;
constexpr int64_t kBandRows = 32;
constexpr int kLongest = 16, kMostUp = 4;  // core/conv_to_one.cpp allows no more

int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

// Which partial rows an output phase sums, and from where.
struct Phase {
  int count = 0;
  int tap[kLongest];
  int64_t shift[kLongest];
};

struct Layer {
  const Tensor &x, &weight, &out;
  ConvToOne how;
  bool pairs;
  int kh, kw;
  int64_t units, blocks;         // of a source row
  int64_t margin, partial_step;  // of partial rows: room at both ends
  int64_t sums;                  // floats of one phase of an output row
  float bias;
  Phase phase[kMostUp];

  Layer(const Tensor& x_, const Tensor& weight_, const Tensor& bias_, const Tensor& out_, const ConvToOne& how_)
      : x(x_), weight(weight_), out(out_), how(how_) {
    pairs = x.dtype == DType::bf16 && to_one::has_pairs();
    kh = static_cast<int>(weight.shape[2]), kw = static_cast<int>(weight.shape[3]);
    units = pairs ? (x.shape[1] + 1) / 2 : x.shape[1];
    blocks = (x.shape[3] + to_one::kPixels - 1) / to_one::kPixels;
    margin = how.padding + kw + lanes::kCount;
    sums = round_up((out.shape[3] + how.up - 1) / how.up, lanes::kCount);
    partial_step = 2 * margin + round_up(x.shape[3], to_one::kPixels) + lanes::kCount;
    bias = bias_.numel() > 0 ? to_one::value_at(bias_, 0) : 0.0f;
    for (int l = 0; l < kw; ++l) {
      const int64_t at = how.up == 1 ? 0 : l - how.padding;  // output column of source column 0
      const int64_t q = (at % how.up + how.up) % how.up;
      Phase& p = phase[q];
      p.tap[p.count] = l;
      p.shift[p.count++] = how.up == 1 ? margin - how.padding + l : margin - (at - q) / how.up;
    }
  }

  float tap(int64_t c, int k, int l) const {
    const int64_t axis = how.up == 1 ? 1 : 0;
    return to_one::value_at(weight, c * weight.stride[axis] + k * weight.stride[2] + l * weight.stride[3]);
  }

  // Taps as multiply reads them: rows of taps, groups of a row, units, taps of the group.
  void pack_weights(float* to) const {
    for (int k = 0; k < kh; ++k)
      for (int l = 0; l < kw; l += to_one::kMostTaps)
        for (int64_t u = 0; u < units; ++u)
          for (int t = l; t < kw && t < l + to_one::kMostTaps; ++t, ++to) {
            if (!pairs) {
              const float w = tap(u, k, t);
              *to = x.dtype == DType::bf16 ? to_float(from_float<Bfloat16>(w)) : w;
              continue;
            }
            const uint32_t low = from_float<Bfloat16>(tap(2 * u, k, t)).bits;
            const uint32_t high = 2 * u + 1 < x.shape[1] ? from_float<Bfloat16>(tap(2 * u + 1, k, t)).bits : 0;
            const uint32_t both = low | high << 16;
            std::memcpy(to, &both, 4);
          }
  }

  // Partial rows of one row of taps.
  void multiply(const float* row, const float* weights, float* partial) const {
    for (int l = 0; l < kw; l += to_one::kMostTaps) {
      const int taps = kw - l < to_one::kMostTaps ? kw - l : to_one::kMostTaps;
      const to_one::Multiply run = to_one::multiply_for(taps, pairs);
      for (int64_t b = 0; b < blocks; ++b)
        run(row + b * units * to_one::kPixels, weights, units,
            partial + l * partial_step + margin + b * to_one::kPixels, partial_step);
      weights += units * taps;
    }
    if (how.mode != Padding::reflect) return;
    for (int l = 0; l < kw; ++l) {
      float* first = partial + l * partial_step + margin;
      float* last = first + x.shape[3] - 1;
      for (int64_t i = 1; i <= how.padding; ++i) first[-i] = first[i], last[i] = last[-i];
    }
  }

  // sums[q][j] += the partial rows of phase q.
  void add(const float* partial, float* to) const {
    for (int q = 0; q < how.up; ++q, to += sums) {
      const Phase& p = phase[q];
      const float* from[kLongest];
      for (int t = 0; t < p.count; ++t) from[t] = partial + p.tap[t] * partial_step + p.shift[t];
      for (int64_t j = 0; j < sums; j += lanes::kCount) {
        Vec sum = lanes::load(to + j);
        for (int t = 0; t < p.count; ++t) sum += lanes::load(from[t] + j);
        lanes::store(to + j, sum);
      }
    }
  }

  // Bias and activation of `count` sums, in place.
  template <Activation A>
  static void activate(float* sum, float bias, int64_t count) {
    for (int64_t i = 0; i < count; ++i) sum[i] = act::value<A>(sum[i] + bias, 0.2f);
  }

  void activate(float* sum, int64_t count) const {
    switch (how.activation) {
      case Activation::linear: return activate<Activation::linear>(sum, bias, count);
      case Activation::relu: return activate<Activation::relu>(sum, bias, count);
      case Activation::lrelu: return activate<Activation::lrelu>(sum, bias, count);
      case Activation::tanh: return activate<Activation::tanh>(sum, bias, count);
      case Activation::sigmoid: return activate<Activation::sigmoid>(sum, bias, count);
      case Activation::elu: return activate<Activation::elu>(sum, bias, count);
      case Activation::selu: return activate<Activation::selu>(sum, bias, count);
      case Activation::softplus: return activate<Activation::softplus>(sum, bias, count);
      case Activation::swish: return activate<Activation::swish>(sum, bias, count);
    }
  }

  // Phases become neighbours.
  template <typename T>
  void store(const float* from, T* to) const {
    const int64_t step = out.stride[3], width = out.shape[3];
    if (how.up == 1 && step == 1) {
      for (int64_t i = 0; i < width; ++i) to[i] = from_float<T>(from[i]);
    } else if (how.up == 2 && step == 1) {
      for (int64_t j = 0; j < width / 2; ++j) {
        to[2 * j] = from_float<T>(from[j]);
        to[2 * j + 1] = from_float<T>(from[sums + j]);
      }
      if (width % 2) to[width - 1] = from_float<T>(from[width / 2]);
    } else {
      for (int q = 0; q < how.up; ++q)
        for (int64_t j = 0; q + j * how.up < width; ++j)
          to[(q + j * how.up) * step] = from_float<T>(from[q * sums + j]);
    }
  }

  // Source row that stands at row u of the padded input (up = 1), or -1 for none.
  int64_t source_row(int64_t u) const {
    int64_t r = how.up == 1 ? u - how.padding : u;
    if (how.mode == Padding::reflect) {
      if (r < 0) r = -r;
      if (r >= x.shape[2]) r = 2 * (x.shape[2] - 1) - r;
    }
    return r >= 0 && r < x.shape[2] ? r : -1;
  }

  int64_t output_row(int64_t u, int k) const { return how.up == 1 ? u - k : u * how.up + k - how.padding; }

  // Output rows [begin, end) of image n.
  void band(int64_t n, int64_t begin, int64_t end, const float* weights) const {
    const int64_t row_floats = units * blocks * to_one::kPixels, sum_floats = how.up * sums;
    Scratch<float> row(row_floats), partial(kw * partial_step), sum((end - begin) * sum_floats);
    std::memset(partial.get(), 0, static_cast<size_t>(kw * partial_step) * sizeof(float));
    std::memset(sum.get(), 0, static_cast<size_t>((end - begin) * sum_floats) * sizeof(float));
    const int64_t first = how.up == 1 ? begin : (begin + how.padding - kh + 1) / how.up - 1;
    const int64_t last = how.up == 1 ? end - 1 + kh : (end - 1 + how.padding) / how.up + 1;
    for (int64_t u = first > 0 ? first : 0; u < last; ++u) {
      const int64_t r = source_row(u);
      bool packed = false;
      for (int k = 0; k < kh && r >= 0; ++k) {
        const int64_t y = output_row(u, k);
        if (y < begin || y >= end) continue;
        if (!packed) pack_row(n, r, row.get());
        packed = true;
        multiply(row.get(), weights + k * kw * units, partial.get());
        add(partial.get(), sum.get() + (y - begin) * sum_floats);
      }
    }
    for (int64_t y = begin; y < end; ++y) {
      float* from = sum.get() + (y - begin) * sum_floats;
      const int64_t at = n * out.stride[0] + y * out.stride[2];
      activate(from, sum_floats);
      out.dtype == DType::f32 ? store(from, out.as<float>() + at) : store(from, out.as<Bfloat16>() + at);
    }
  }

  void pack_row(int64_t n, int64_t r, float* to) const {
    const int64_t width = x.shape[3], at = n * x.stride[0] + r * x.stride[2];
    for (int64_t first = 0; first < width; first += to_one::kPixels, to += units * to_one::kPixels)
      to_one::pack_block(x, at, first, width - first < to_one::kPixels ? width - first : to_one::kPixels, pairs, to);
  }
};

}  // namespace

void conv_to_one(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& out, const ConvToOne& how,
                 const Context& ctx) {
  const Layer layer(x, weight, bias, out, how);
  Scratch<float> weights(layer.units * layer.kh * layer.kw);
  layer.pack_weights(weights.get());
  const int64_t height = out.shape[2], bands = (height + kBandRows - 1) / kBandRows;
  parallel_for(out.shape[0] * bands, 1, ctx, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const int64_t begin = i % bands * kBandRows, end = begin + kBandRows < height ? begin + kBandRows : height;
      layer.band(i / bands, begin, end, weights.get());
    }
  });
}

}  // namespace PA_ISA
}  // namespace pyapdraw
