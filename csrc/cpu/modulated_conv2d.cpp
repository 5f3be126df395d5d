// Modulated convolution of StyleGAN2 [Karras et al. 2020, section 2.2 and appendix B]; semantics in ops.h.
//   out = clamp(gain * act(d * filter(conv(weight, styles * x)) + noise + bias))
// Method: direct convolution on channel-last operands. Work is cut into blocks of output channels times slices of rows;
// a block packs its weights once, shared by the whole batch, and walks down the rows. Styles multiply the input
// channels while a row is copied into a ring of three operand rows; demodulation, noise, bias and activation are
// applied to each row of sums while it is in the cache. Up-sampling: the transposed convolution is four ordinary ones
// with 4, 2, 2 and 1 taps that write the even and odd samples of a row; the filter runs along it at once, and across
// the rows in a ring of as many rows as it has taps: no pass over memory of its own, and no more multiplications than
// the transposed convolution has (folding the filter into the weights would take four times as many). Down-sampling
// filters the input rows on their way into the ring. Numerics: float32 sums in the order taps, channels; bf16 operands
// (styles * x rounded) multiplied by vdpbf16ps where the processor has it. The order does not depend on slices or
// threads, so neither do the results. Memory: a block of packed weights and about a dozen rows for each thread; nothing
// of the size of the image.
#include "cpu/modulated_conv2d_finish.h"
#include "cpu/modulated_conv2d_winograd.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"

namespace pyapdraw {
namespace PA_ISA {
namespace modconv {
namespace {

constexpr int64_t kSlots = 3;             // of the ring of operand rows: as many as a 3x3 kernel meets
constexpr int64_t kSegmentFloats = 4096;  // finished at a time: half of a first-level cache
constexpr int64_t kSlicePixels = 8192;    // a slice at least, so that packing weights costs under 2 %

// Sizes that follow from a call: "sums" is the image before the filter of an up-sampling layer.
template <typename Unit>
struct Sizes {
  int64_t channels, units, vectors, lanes, blocks;
  int64_t out_h, out_w, sums_h, sums_w, row_w;  // row_w: pixels of an operand row
  int64_t left;                                 // zeros before the first pixel of an operand row

  explicit Sizes(const Call& call) {
    const ModulatedConvPlan& p = call.plan;
    const int64_t outputs = call.weight.shape[0], h = call.x.shape[2], w = call.x.shape[3];
    channels = call.weight.shape[1];
    units = units_of<Unit>(channels);
    const int64_t most = kChannelsPerUnit<Unit> == 2 ? 4 : 2;  // packed weights of a block fit the second-level cache
    vectors = outputs > 2 * kLanes && most == 4 ? 4 : outputs > kLanes ? 2 : 1;
    lanes = vectors * kLanes;
    blocks = divide_up(outputs, lanes);
    out_h = call.out.shape[2], out_w = call.out.shape[3];
    sums_h = p.options.up == 1 ? out_h : p.kernel == 3 ? 2 * h + 1 : 2 * h;
    sums_w = p.options.up == 1 ? out_w : p.kernel == 3 ? 2 * w + 1 : 2 * w;
    left = p.kernel == 3 && p.options.down == 1 ? 1 : 0;
    row_w = p.options.down == 1 ? w + 2 * left : (p.kernel == 3 ? 2 * out_w + 1 : out_w);
  }
};

// One thread's walk down the rows of a block of output channels.
template <typename T, typename Unit>
class Sweep {
 public:
  Sweep(const Call& call, const Sizes<Unit>& sizes) : c_(call), s_(sizes), memory_(carve(nullptr)) {
    carve(memory_.get());
  }

  void block(int64_t index) {
    first_ = index * s_.lanes;
    pack_weights(c_.weight, first_, s_.lanes, weight_, c_.plan.options.demodulate ? squares_ : nullptr, part_);
    finish_ = begin_block(c_, first_, s_.lanes, scale_, bias_);
  }

  // Output rows [begin, end) of sample n.
  void rows(int64_t n, int64_t begin, int64_t end) {
    n_ = n;
    begin_sample(c_, n, styles_, squares_, s_.lanes, scale_);
    next_row_ = -1 - kSlots;  // nothing prepared yet
    if (c_.plan.options.up == 1) {
      for (int64_t y = begin; y < end; ++y) {
        sum_line(y);
        finish_line(y);
      }
      return;
    }
    const int taps = c_.plan.filter_h;
    int64_t next = begin - c_.plan.pad_y;  // first row of sums not yet in the ring
    for (int64_t y = begin; y < end; ++y) {
      for (; next < y - c_.plan.pad_y + taps; ++next)
        if (next >= 0 && next < s_.sums_h) {
          sum_line(next);
          filter_row(sums_, c_.plan.filter_x, c_.plan.filter_w, s_.out_w, s_.lanes, ring_row(next));
        }
      finish_line(y);
    }
  }

 private:
  int64_t taps() const { return static_cast<int64_t>(c_.plan.kernel) * c_.plan.kernel; }
  bool resampled() const { return c_.plan.options.up > 1; }
  float* ring_row(int64_t y) { return ring_ + (y % c_.plan.filter_h) * s_.out_w * s_.lanes; }
  Unit* operand_row(int64_t y) { return operands_ + (y + kSlots) % kSlots * s_.row_w * s_.units; }

  // Memory of all the arrays below, in this order.
  int64_t sums_pixels() const {
    const int64_t reach = s_.out_w + c_.plan.filter_w - 1, given = c_.plan.pad_x + s_.sums_w;
    return resampled() ? (reach > given ? reach : given) : s_.sums_w;
  }
  int64_t filtered_floats() const {
    return c_.plan.options.down > 1 ? 2 * c_.x.shape[3] * s_.channels + s_.channels : 0;
  }

  // Cuts the arrays out of the memory; with none, only tells how much they need.
  int64_t carve(char* memory) {
    Pieces pieces(memory);
    weight_ = pieces.take<Unit>(taps() * s_.units * s_.lanes);
    part_ = pieces.take<float>(kPackFloats + 9 * s_.lanes);
    squares_ = pieces.take<float>(c_.plan.options.demodulate ? s_.channels * s_.lanes : 0);
    operands_ = pieces.take<Unit>(kSlots * s_.row_w * s_.units);
    sums_ = pieces.take<float>(sums_pixels() * s_.lanes);
    ring_ = pieces.take<float>(resampled() ? c_.plan.filter_h * s_.out_w * s_.lanes : 0);
    segment_ = pieces.take<float>(resampled() ? kSegmentFloats : 0);
    filtered_ = pieces.take<float>(filtered_floats());
    styles_ = pieces.take<float>(s_.channels + 16);
    scale_ = pieces.take<float>(s_.lanes);
    bias_ = pieces.take<float>(s_.lanes);
    return pieces.used();
  }
  const T* pixel(int64_t y, int64_t x) const {
    return c_.x.template as<T>() + n_ * c_.x.stride[0] + y * c_.x.stride[2] + x * c_.x.stride[3];
  }

  // Operand rows up to y are in the ring, each made once a walk.
  void need_row(int64_t y) {
    if (next_row_ < y - kSlots + 1) next_row_ = y - kSlots + 1;
    for (; next_row_ <= y; ++next_row_) make_row(next_row_);
  }

  void make_row(int64_t y) {
    Unit* to = operand_row(y);
    if (c_.plan.options.down > 1) return filter_into(y, to);
    const int64_t height = c_.x.shape[2], width = c_.x.shape[3];
    if (y < 0 || y >= height) {
      std::memset(to, 0, static_cast<size_t>(s_.row_w * s_.units) * sizeof(Unit));
      return;
    }
    for (int64_t i = 0; i < s_.left * s_.units; ++i) to[i] = to[(s_.row_w - 1) * s_.units + i] = 0;
    scale_row(pixel(y, 0), c_.x.stride[3], c_.x.stride[1], width, styles_, s_.channels, to + s_.left * s_.units);
  }

  // Row y of the filtered input of a down-sampling layer, at the columns that the convolution reads.
  void filter_into(int64_t y, Unit* to) {
    const ModulatedConvPlan& p = c_.plan;
    const int64_t width = c_.x.shape[3], height = c_.x.shape[2], step = p.kernel == 1 ? 2 : 1, channels = s_.channels;
    float* column = filtered_;  // [width][channels], filtered downwards
    std::memset(column, 0, static_cast<size_t>(width * channels) * sizeof(float));
    for (int j = 0; j < p.filter_h; ++j) {
      const int64_t from = y * step + j - p.pad_y;
      if (from < 0 || from >= height) continue;
      for (int64_t x = 0; x < width; ++x)
        for (int64_t i = 0; i < channels; ++i)
          column[x * channels + i] += p.filter_y[j] * to_float(pixel(from, x)[i * c_.x.stride[1]]);
    }
    float* sum = filtered_ + width * channels;
    for (int64_t x = 0; x < s_.row_w; ++x) {
      for (int64_t i = 0; i < channels; ++i) sum[i] = 0;
      for (int f = 0; f < p.filter_w; ++f) {
        const int64_t from = x * step + f - p.pad_x;
        if (from < 0 || from >= width) continue;
        for (int64_t i = 0; i < channels; ++i) sum[i] += p.filter_x[f] * column[from * channels + i];
      }
      scale_pixel(sum, styles_, channels, to + x * s_.units);
    }
  }

  Taps new_taps(int64_t step) const {
    Taps t;
    t.units = s_.units;
    t.step = step * s_.units;
    return t;
  }
  void add_tap(Taps& t, int64_t row, int64_t column, int ky, int kx) {
    t.x[t.count] = operand_row(row) - operands_ + column * s_.units;
    t.w[t.count++] = static_cast<int64_t>(ky * c_.plan.kernel + kx) * s_.units * s_.lanes;
  }

  // Row y of the sums.
  void sum_line(int64_t y) {
    const int k = c_.plan.kernel, up = c_.plan.options.up, down = c_.plan.options.down;
    if (up == 2) return k == 3 ? sum_transposed(y) : sum_spread(y);
    const int64_t top = k == 3 && down == 1 ? y - 1 : k == 3 ? 2 * y : y;
    need_row(top + k - 1);
    Taps t = new_taps(k == 3 ? down : 1);
    for (int ky = 0; ky < k; ++ky)
      for (int kx = 0; kx < k; ++kx) add_tap(t, top + ky, kx, ky, kx);
    sum_row(t, static_cast<int>(s_.vectors), s_.sums_w, operands_, weight_, sums_, s_.lanes);
  }

  // z[2a + ky, 2b + kx] += x[a, b] w[ky, kx]: even samples meet taps 0 and 2, odd ones tap 1.
  void sum_transposed(int64_t y) {
    const int64_t width = c_.x.shape[3], a = y / 2;
    need_row(a);
    clear_margins();
    float* row = sums_ + c_.plan.pad_x * s_.lanes;
    for (int odd = 0; odd < 2; ++odd) {
      Taps t = new_taps(1);
      for (int ky = y % 2; ky < 3; ky += 2)
        for (int kx = odd; kx < 3; kx += 2) add_tap(t, a - ky / 2, 1 - kx / 2, ky, kx);
      sum_row(t, static_cast<int>(s_.vectors), width + 1 - odd, operands_, weight_, row + odd * s_.lanes, 2 * s_.lanes);
    }
  }

  // 1x1 up-sampling: the filter meets the convolution's samples with zeros between.
  void sum_spread(int64_t y) {
    std::memset(sums_, 0, static_cast<size_t>(sums_pixels() * s_.lanes) * sizeof(float));
    if (y % 2) return;
    need_row(y / 2);
    Taps t = new_taps(1);
    add_tap(t, y / 2, 0, 0, 0);
    sum_row(t, static_cast<int>(s_.vectors), c_.x.shape[3], operands_, weight_, sums_ + c_.plan.pad_x * s_.lanes,
            2 * s_.lanes);
  }

  void clear_margins() {
    const int64_t before = c_.plan.pad_x * s_.lanes, after = before + s_.sums_w * s_.lanes;
    for (int64_t i = 0; i < before; ++i) sums_[i] = 0;
    for (int64_t i = after; i < sums_pixels() * s_.lanes; ++i) sums_[i] = 0;
  }

  void finish_line(int64_t y) {
    RowTaps rows;
    for (int j = 0; resampled() && j < c_.plan.filter_h; ++j) {
      const int64_t from = y - c_.plan.pad_y + j;
      if (from < 0 || from >= s_.sums_h) continue;
      rows.row[rows.count] = ring_row(from);
      rows.tap[rows.count++] = c_.plan.filter_y[j];
    }
    const int64_t most = kSegmentFloats / s_.lanes;
    for (int64_t x = 0; x < s_.out_w; x += most) {
      const int64_t count = s_.out_w - x < most ? s_.out_w - x : most;
      float* sums = resampled() ? segment_ : sums_ + x * s_.lanes;
      if (resampled()) combine_rows(rows, x * s_.lanes, count * s_.lanes, segment_);
      finish_at<T, Unit>(c_, finish_, Place{n_, first_, y, x}, sums, count);
    }
  }

  const Call& c_;
  const Sizes<Unit>& s_;
  Unit *weight_, *operands_;
  float *part_, *squares_, *sums_, *ring_, *segment_, *filtered_, *styles_, *scale_, *bias_;
  Scratch<char, Origin::kept> memory_;
  Finish finish_{};
  int64_t n_ = 0, first_ = 0, next_row_ = 0;
};

template <typename T, typename Unit>
void run(const Call& call, const Context& ctx) {
  const Sizes<Unit> s(call);
  const int64_t rows = call.x.shape[0] * s.out_h, threads = ctx.threads > 0 ? ctx.threads : default_threads();
  // Slices of an up-sampling layer repeat the rows that its filter reaches over their border, so they are kept few.
  const int64_t wanted = divide_up(threads * (call.plan.options.up == 1 ? 4 : 2), s.blocks);
  int64_t slices = rows * s.out_w / kSlicePixels;
  if (slices > wanted) slices = wanted;
  if (slices > rows) slices = rows;
  if (slices < 1 || threads == 1) slices = 1;
  parallel_for(s.blocks * slices, 1, ctx, [&](int64_t begin, int64_t end) {
    Sweep<T, Unit> sweep(call, s);
    for (int64_t item = begin; item < end; ++item) {
      const int64_t slice = item % slices, last = (slice + 1) * rows / slices;
      sweep.block(item / slices);
      for (int64_t row = slice * rows / slices; row < last;) {
        const int64_t n = row / s.out_h, rest = s.out_h - row % s.out_h, count = last - row < rest ? last - row : rest;
        sweep.rows(n, row % s.out_h, row % s.out_h + count);
        row += count;
      }
    }
  });
}

#if defined(__AVX512F__)
bool has_bf16() {
  static const bool has = __builtin_cpu_supports("avx512bf16");
  return has;
}
#endif

}  // namespace
}  // namespace modconv

void modulated_conv2d(const Tensor& x, const Tensor& weight, const Tensor& styles, const Tensor& noise,
                      const Tensor& bias, const Tensor& out, const ModulatedConvPlan& plan, const Context& ctx) {
  const modconv::Call call{x, weight, styles, noise, bias, out, plan};
  if (modconv::winograd_pays(call))
    modconv::winograd(call, ctx);
  else if (x.dtype == DType::f32)
    modconv::run<float, float>(call, ctx);
#if defined(__AVX512F__)
  else if (modconv::has_bf16())
    modconv::run<Bfloat16, modconv::Pair>(call, ctx);
#endif
  else
    modconv::run<Bfloat16, float>(call, ctx);
}

}  // namespace PA_ISA
}  // namespace pyapdraw
