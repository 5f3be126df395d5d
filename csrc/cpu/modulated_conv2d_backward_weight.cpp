// Weight gradient of the modulated convolution; semantics in ops.h.
//   grad_weight[o,i,ky,kx] = sum_{n,y,x} (grad_scale grad)[n,o,y,x] (x_scale x)[n, i, y stride + ky - pad, ...]
// Method: a block of output channels keeps its gradient [k*k][I][lanes] in scratch. For a few rows at a time both
// images become channel-last float32, scaled on the way; then P input channels times V vectors of output channels stay
// in registers while the pixels of these rows pass by, so that scratch is touched once every hundred pixels or so.
// Numerics: float32, a sum for every row group, then their sum over groups and samples; the order does not depend on
// threads.
#include "cpu/modulated_conv2d_finish.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"

namespace pyapdraw {
namespace PA_ISA {
namespace modconv {
namespace {

constexpr int64_t kGroupPixels = 128;  // of grad that are turned into operands together

struct Images {
  const Tensor &grad, &grad_scale, &x, &x_scale, &out;
  int stride, pad;
};

// Operands of a group of rows, for one tap.
struct Window {
  const float *x, *grad;
  int64_t rows, columns;
  int64_t x_row, x_pixel, grad_row, grad_pixel;  // steps in floats
};

// sum[p][v] += over the window of x[p] * grad[v]; sums of channel p lie `lanes` floats apart. A window is summed by
// itself first: errors grow with the pixels of a window and with their number, not with the pixels of the image.
template <int P, int V>
void add_window(const Window& w, float* sums) {
  constexpr int64_t lanes = V * kLanes;
  Vec sum[P][V];
#pragma GCC unroll 12
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) sum[p][v] = Vec{};
  for (int64_t r = 0; r < w.rows; ++r) {
    const float *x = w.x + r * w.x_row, *grad = w.grad + r * w.grad_row;
    for (int64_t c = 0; c < w.columns; ++c, x += w.x_pixel, grad += w.grad_pixel) {
#pragma GCC unroll 12
      for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) sum[p][v] += x[p] * load(grad + v * kLanes);
    }
  }
#pragma GCC unroll 12
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      float* total = sums + p * lanes + v * kLanes;
      store(total, load(total) + sum[p][v]);
    }
}

template <int V>
void add_channels(const Window& w, int64_t channels, float* sums) {
  constexpr int P = most_pixels(V) < 12 ? most_pixels(V) : 12;
  Window at = w;
  int64_t i = 0;
  for (; i + P <= channels; i += P, at.x += P) add_window<P, V>(at, sums + i * V * kLanes);
  for (; i + 4 <= channels; i += 4, at.x += 4) add_window<4, V>(at, sums + i * V * kLanes);
  for (; i < channels; ++i, ++at.x) add_window<1, V>(at, sums + i * V * kLanes);
}

class Block {
 public:
  explicit Block(const Images& images)
      : m_(images),
        taps_(images.out.shape[2]),
        channels_(images.x.shape[1]),
        vectors_(images.grad.shape[1] > kLanes ? 2 : 1),
        lanes_(vectors_ * kLanes),
        width_(images.grad.shape[3]),
        group_(width_ < kGroupPixels ? kGroupPixels / (width_ > 0 ? width_ : 1) : 1),
        x_rows_((group_ - 1) * images.stride + taps_),
        x_width_(width_ > 0 ? (width_ - 1) * images.stride + taps_ : 0),
        memory_(carve(nullptr)) {
    carve(memory_.get());
  }

  int64_t lanes() const { return lanes_; }

  void run(int64_t first) {
    const int64_t samples = m_.grad.shape[0], height = m_.grad.shape[2];
    std::memset(sums_, 0, static_cast<size_t>(taps_ * taps_ * channels_ * lanes_) * sizeof(float));
    for (int64_t n = 0; n < samples; ++n) {
      read_scales(n, first);
      for (int64_t y = 0; y < height; y += group_) group(n, first, y, height - y < group_ ? height - y : group_);
    }
    write(first);
  }

 private:
  int64_t carve(char* memory) {
    Pieces pieces(memory);
    sums_ = pieces.take<float>(taps_ * taps_ * channels_ * lanes_);
    x_ = pieces.take<float>(x_rows_ * x_width_ * channels_);
    grad_ = pieces.take<float>(group_ * width_ * lanes_);
    row_ = pieces.take<float>(width_ * lanes_);
    x_scale_ = pieces.take<float>(channels_ + 16);
    grad_scale_ = pieces.take<float>(lanes_ + 16);
    return pieces.used();
  }

  int64_t present(int64_t first) const {
    const int64_t left = m_.grad.shape[1] - first;
    return left < lanes_ ? left : lanes_;
  }

  void read_scales(int64_t n, int64_t first) {
    const Tensor &a = m_.x_scale, &b = m_.grad_scale;
    for (int64_t i = 0; i < channels_; ++i) x_scale_[i] = a.as<float>()[n * a.stride[0] + i * a.stride[1]];
    for (int64_t o = 0; o < present(first); ++o)
      grad_scale_[o] = b.as<float>()[n * b.stride[0] + (first + o) * b.stride[1]];
  }

  // `width` pixels from column `x` of row y -> to[width][channels]; what lies outside is zero.
  template <typename T>
  static void read_row(const Tensor& t, const Place& at, int64_t width, const float* scale, int64_t channels,
                       float* to) {
    const int64_t begin = at.x < 0 ? -at.x : 0, whole = t.shape[3] - at.x, end = whole < width ? whole : width;
    const bool inside = at.y >= 0 && at.y < t.shape[2] && begin < end;
    if (!inside || begin > 0 || end < width) std::memset(to, 0, static_cast<size_t>(width * channels) * sizeof(float));
    if (!inside) return;
    const T* from =
        t.as<T>() + at.n * t.stride[0] + at.channel * t.stride[1] + at.y * t.stride[2] + (at.x + begin) * t.stride[3];
    scale_row(from, t.stride[3], t.stride[1], end - begin, scale, channels, to + begin * channels);
  }
  static void read(const Tensor& t, const Place& at, int64_t width, const float* scale, int64_t channels, float* to) {
    if (t.dtype == DType::bf16)
      read_row<Bfloat16>(t, at, width, scale, channels, to);
    else
      read_row<float>(t, at, width, scale, channels, to);
  }

  void read_grad(const Place& at, float* to) {
    const int64_t given = present(at.channel);
    if (given == lanes_) return read(m_.grad, at, width_, grad_scale_, lanes_, to);
    read(m_.grad, at, width_, grad_scale_, given, row_);
    for (int64_t x = 0; x < width_; ++x)
      for (int64_t o = 0; o < lanes_; ++o) to[x * lanes_ + o] = o < given ? row_[x * given + o] : 0.0f;
  }

  void group(int64_t n, int64_t first, int64_t y, int64_t rows) {
    const int64_t top = y * m_.stride - m_.pad;
    for (int64_t r = 0; r < rows; ++r) read_grad(Place{n, first, y + r, 0}, grad_ + r * width_ * lanes_);
    for (int64_t r = 0; r < (rows - 1) * m_.stride + taps_; ++r)
      read(m_.x, Place{n, 0, top + r, -m_.pad}, x_width_, x_scale_, channels_, x_ + r * x_width_ * channels_);
    Window w;
    w.grad = grad_, w.rows = rows, w.columns = width_;
    w.x_row = m_.stride * x_width_ * channels_, w.x_pixel = m_.stride * channels_;
    w.grad_row = width_ * lanes_, w.grad_pixel = lanes_;
    for (int64_t t = 0; t < taps_ * taps_; ++t) {
      w.x = x_ + (t / taps_ * x_width_ + t % taps_) * channels_;
      float* sums = sums_ + t * channels_ * lanes_;
      vectors_ == 2 ? add_channels<2>(w, channels_, sums) : add_channels<1>(w, channels_, sums);
    }
  }

  void write(int64_t first) {
    const Tensor& out = m_.out;
    for (int64_t o = 0; o < present(first); ++o)
      for (int64_t i = 0; i < channels_; ++i)
        for (int64_t t = 0; t < taps_ * taps_; ++t)
          out.as<float>()[(first + o) * out.stride[0] + i * out.stride[1] + t / taps_ * out.stride[2] +
                          t % taps_ * out.stride[3]] = sums_[(t * channels_ + i) * lanes_ + o];
  }

  const Images& m_;
  int64_t taps_, channels_, vectors_, lanes_, width_, group_, x_rows_, x_width_;
  float *sums_, *x_, *grad_, *row_, *x_scale_, *grad_scale_;
  Scratch<char, Origin::kept> memory_;
};

}  // namespace
}  // namespace modconv

void modulated_conv2d_backward_weight(const Tensor& grad, const Tensor& grad_scale, const Tensor& x,
                                      const Tensor& x_scale, const Tensor& grad_weight, int stride, int pad,
                                      const Context& ctx) {
  const modconv::Images images{grad, grad_scale, x, x_scale, grad_weight, stride, pad};
  const int64_t lanes = (grad.shape[1] > modconv::kLanes ? 2 : 1) * modconv::kLanes;
  parallel_for(modconv::divide_up(grad.shape[1], lanes), 1, ctx, [&](int64_t begin, int64_t end) {
    modconv::Block block(images);
    for (int64_t b = begin; b < end; ++b) block.run(b * lanes);
  });
}

}  // namespace PA_ISA
}  // namespace pyapdraw
