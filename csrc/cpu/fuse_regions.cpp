// Fusion of six local drawings by the smallest or largest value [APD19, section 4.1; official partCombiner2_bg].
// Method: one pass over the frame, a row at a time: hair or background by the mask, in spans outside and inside of the
// rectangles, then each part is folded in over its own segment of the row. Nothing is padded or copied; rows that are
// not packed go through scratch. Outputs beyond the cache are written past it.
// A row is the unit of work, so results do not depend on the number of threads.
// Numerics: the output is one of the inputs, bit for bit, or the extension; NaN wins. Soft weights: core/
// fuse_regions_math.h (this file is compiled without fused multiply-add).
#include "cpu/fuse_regions_rows.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"
#include "cpu/rows.h"
#include "cpu/scratch.h"

namespace pyapdraw {
namespace PA_ISA {
namespace {

constexpr int64_t kPixelsPerChunk = 16384;          // a few microseconds of work
constexpr int64_t kStreamBytes = int64_t{8} << 20;  // outputs from here on do not stay in the cache anyway

// First frame coordinates of the four parts of one sample.
struct Places {
  int64_t x[4], y[4];
  Places(const FaceParts& parts, const Tensor& centres, int64_t n) {
    for (int i = 0; i < 4; ++i) {
      x[i] = fuse::part_start(fuse::centre_at(centres, n, i, 0), parts.part[i].shape[3]);
      y[i] = fuse::part_start(fuse::centre_at(centres, n, i, 1), parts.part[i].shape[2]);
    }
  }
};

// Part of a row that a region covers: frame columns [begin, end), from its own column `from` of its own `row`.
struct Segment {
  int64_t begin = 0, end = 0, from = 0, row = 0;
};

Segment segment_of(const Tensor& part, int64_t x0, int64_t y0, int64_t y, int64_t width) {
  Segment s;
  const int64_t row = y - y0;
  if (row < 0 || row >= part.shape[2]) return s;
  const int64_t begin = x0 > 0 ? x0 : 0, end = x0 + part.shape[3] < width ? x0 + part.shape[3] : width;
  if (begin < end) s = {begin, end, begin - x0, row};
  return s;
}

template <typename T>
T* row_of(const Tensor& t, int64_t n, int64_t c, int64_t y) {
  return t.as<T>() + n * t.stride[0] + c * t.stride[1] + y * t.stride[2];
}

template <typename T>
const T* read_row(const Tensor& t, int64_t n, int64_t c, int64_t y, T* scratch) {
  return packed_row<T>(row_of<T>(t, n, c, y), t.stride[3], t.shape[3], scratch);
}

// f(row) with the packed row of the person mask, in its own type.
template <typename F>
void with_mask_row(const Tensor& mask, int64_t n, int64_t y, float* scratch, F&& f) {
  if (mask.dtype == DType::f32)
    f(read_row<float>(mask, n, 0, y, scratch));
  else if (mask.dtype == DType::bf16)
    f(read_row<Bfloat16>(mask, n, 0, y, reinterpret_cast<Bfloat16*>(scratch)));
  else
    f(read_row<uint8_t>(mask, n, 0, y, reinterpret_cast<uint8_t*>(scratch)));
}

// f(begin, end, inside) over a row: in turn what lies outside all segments and inside any.
template <typename F>
void for_each_span(const Segment* segments, int64_t width, F&& f) {
  for (int64_t x = 0; x < width;) {
    int64_t end = x, next = width;
    for (int i = 0; i < 4; ++i) {
      if (segments[i].begin <= x && segments[i].end > end) end = segments[i].end;
      if (segments[i].begin > x && segments[i].begin < next) next = segments[i].begin;
    }
    const bool inside = end > x;
    if (!inside) end = next;
    f(x, end, inside);
    x = end;
  }
}

// Weights of hair (0) or background (1) in one row, as float32.
void weight_row(const Tensor& weights, int which, int64_t n, int64_t y, float* out) {
  const int64_t step = weights.stride[3], width = weights.shape[3];
  if (weights.dtype == DType::f32) {
    const float* w = row_of<float>(weights, n, which, y);
    for (int64_t x = 0; x < width; ++x) out[x] = w[x * step];
  } else {
    const Bfloat16* w = row_of<Bfloat16>(weights, n, which, y);
    for (int64_t x = 0; x < width; ++x) out[x] = to_float(w[x * step]);
  }
}

template <typename T>
void blend_row(const T* image, const float* weights, float beyond, int64_t width, T* out) {
  for (int64_t x = 0; x < width; ++x) out[x] = from_float<T>(fuse::blend(to_float(image[x]), weights[x], beyond));
}

struct Call {
  const FaceParts& parts;
  const Tensor &hair, &background, &mask, &out, &winners;
  bool soft, stream;
};

// Which row of which channel, and where the parts lie in it.
struct At {
  int64_t n, c, y;
  Segment segments[4];
};

// Scratch rows of one thread.
template <typename T>
struct Rows {
  Scratch<char> memory;
  T *hair, *background, *out, *part;
  float* weights;  // of hair, then of background; or the packed mask
  uint8_t *visible, *win;
  Rows(int64_t width, int64_t widest)
      : memory((3 * width + widest) * static_cast<int64_t>(sizeof(T)) + 2 * width * 4 + 2 * width) {
    weights = reinterpret_cast<float*>(memory.get());
    hair = reinterpret_cast<T*>(weights + 2 * width);
    background = hair + width;
    out = background + width;
    part = out + width;
    visible = reinterpret_cast<uint8_t*>(part + widest);
    win = visible + width;
  }
};

// The blended images of a row, and the extension of the parts: everywhere but where all four of them lie.
template <FuseMode mode, typename T>
void soft_row(const T* hair, const T* background, const Segment* segments, int64_t width, T* out) {
  std::memcpy(out, hair, static_cast<size_t>(width) * sizeof(T));
  fold_row<mode>(background, out, width);
  int64_t begin = 0, end = width;
  for (int i = 0; i < 4; ++i) {
    begin = segments[i].begin > begin ? segments[i].begin : begin;
    end = segments[i].end < end ? segments[i].end : end;
  }
  if (begin >= end) begin = end = width;
  limit_row<mode>(out, begin);
  limit_row<mode>(out + end, width - end);
}

// Hair and background in a row that four segments cut.
template <FuseMode mode, typename T>
void hard_row(const Call& call, const T* hair, const T* background, const At& at, float* scratch, T* out) {
  with_mask_row(call.mask, at.n, at.y, scratch, [&](const auto* mask) {
    for_each_span(at.segments, call.out.shape[3], [&](int64_t x, int64_t end, bool inside) {
      if (inside)
        show_row<mode, true>(mask + x, hair + x, background + x, out + x, end - x);
      else
        show_row<mode, false>(mask + x, hair + x, background + x, out + x, end - x);
    });
  });
}

// Bytes of winners of a finished row.
template <typename T>
void find_winners(const Call& call, const T* hair, const T* background, const T* out, float beyond, const At& at,
                  Rows<T>& rows) {
  const int64_t width = call.out.shape[3];
  uint8_t *target = row_of<uint8_t>(call.winners, at.n, at.c, at.y),
          *win = call.winners.stride[3] == 1 ? target : rows.win;
  if (call.soft) {
    std::memset(rows.visible, fuse::kHairVisible | fuse::kBackgroundVisible, static_cast<size_t>(width));
  } else {
    with_mask_row(call.mask, at.n, at.y, rows.weights,
                  [&](const auto* mask) { visible_row(mask, width, rows.visible); });
    for (int i = 0; i < 4; ++i)
      for (int64_t x = at.segments[i].begin; x < at.segments[i].end; ++x) rows.visible[x] &= fuse::kBackgroundVisible;
  }
  winners_row(rows.visible, hair, background, out, beyond, win, width);
  for (int i = 0; i < 4; ++i) {
    const Segment& s = at.segments[i];
    if (s.begin == s.end) continue;
    const T* p = read_row<T>(call.parts.part[i], at.n, at.c, s.row, rows.part) + s.from;
    winning_part_row(p, out + s.begin, i, win + s.begin, s.end - s.begin);
  }
  spread_row(win, width, target, call.winners.stride[3]);
}

// One row of one channel; rows.weights are those of the row where the mask is soft.
template <FuseMode mode, typename T>
void fuse_row(const Call& call, const At& at, Rows<T>& rows) {
  const int64_t width = call.out.shape[3];
  const float beyond = fuse::extension(mode);
  const T* hair = read_row<T>(call.hair, at.n, at.c, at.y, rows.hair);
  const T* background = read_row<T>(call.background, at.n, at.c, at.y, rows.background);
  T* target = row_of<T>(call.out, at.n, at.c, at.y);
  T* out = call.out.stride[3] == 1 && !call.stream ? target : rows.out;
  if (call.soft) {
    blend_row(hair, rows.weights, beyond, width, rows.hair);
    blend_row(background, rows.weights + width, beyond, width, rows.background);
    hair = rows.hair, background = rows.background;
    soft_row<mode>(hair, background, at.segments, width, out);
  } else {
    hard_row<mode>(call, hair, background, at, rows.weights, out);
  }
  for (int i = 0; i < 4; ++i) {
    const Segment& s = at.segments[i];
    if (s.begin == s.end) continue;
    const T* p = read_row<T>(call.parts.part[i], at.n, at.c, s.row, rows.part) + s.from;
    fold_row<mode>(p, out + s.begin, s.end - s.begin);
  }
  if (call.winners.numel() > 0) find_winners(call, hair, background, out, beyond, at, rows);
  if (call.stream)
    stream_row(out, target, width * static_cast<int64_t>(sizeof(T)));
  else
    spread_row(out, width, target, call.out.stride[3]);
}

template <FuseMode mode, typename T>
void run(const Call& call, const Tensor& centres, const Context& ctx) {
  const int64_t channels = call.out.shape[1], height = call.out.shape[2], width = call.out.shape[3];
  int64_t widest = 0;
  for (const Tensor& p : call.parts.part) widest = p.shape[3] > widest ? p.shape[3] : widest;
  parallel_for(call.out.shape[0] * height, kPixelsPerChunk / width + 1, ctx, [&](int64_t first, int64_t last) {
    Rows<T> rows(width, widest);
    Places places(call.parts, centres, first / height);
    for (int64_t i = first; i < last; ++i) {
      At at{i / height, 0, i % height, {}};
      if (at.y == 0) places = Places(call.parts, centres, at.n);
      for (int p = 0; p < 4; ++p)
        at.segments[p] = segment_of(call.parts.part[p], places.x[p], places.y[p], at.y, width);
      for (int which = 0; call.soft && which < 2; ++which)
        weight_row(call.mask, which, at.n, at.y, rows.weights + which * width);
      for (; at.c < channels; ++at.c) fuse_row<mode>(call, at, rows);
    }
    if (call.stream) stream_end();
  });
}

}  // namespace

void fuse_regions(const FaceParts& parts, const Tensor& centres, const Tensor& hair, const Tensor& background,
                  const Tensor& mask, const Tensor& out, const Tensor& winners, FuseMode mode, const Context& ctx) {
  const bool large = out.numel() * item_bytes(out.dtype) >= kStreamBytes;
  const Call call{parts, hair, background, mask, out, winners, mask.shape[1] == 2, large && out.stride[3] == 1};
  for_float_type(hair.dtype, [&](auto zero) {
    using T = decltype(zero);
    if (mode == FuseMode::max)
      run<FuseMode::max, T>(call, centres, ctx);
    else
      run<FuseMode::min, T>(call, centres, ctx);
  });
}

namespace {

template <typename T>
void zero_row(T* in, int64_t count) {
  for (int64_t x = 0; x < count; ++x) in[x] = from_float<T>(0.0f);
}

template <typename T>
void backward_frame(const Tensor& grad, const Tensor& winners, const Tensor& weights, const Tensor& grad_hair,
                    const Tensor& grad_background, const Context& ctx) {
  const int64_t channels = grad.shape[1], height = grad.shape[2], width = grad.shape[3];
  const bool soft = weights.numel() > 0;
  const Shares shares[2] = {Shares(fuse::kHair), Shares(fuse::kBackground)};
  const Tensor* outs[2] = {&grad_hair, &grad_background};
  parallel_for(grad.shape[0] * channels * height, kPixelsPerChunk / width + 1, ctx, [&](int64_t first, int64_t last) {
    Scratch<T> from(width), to(width);
    Scratch<uint8_t> win(width);
    Scratch<float> weight(soft ? width : 0);
    for (int64_t i = first; i < last; ++i) {
      const int64_t n = i / height / channels, c = i / height % channels, y = i % height;
      const T* g = read_row<T>(grad, n, c, y, from.get());
      const uint8_t* w = read_row<uint8_t>(winners, n, c, y, win.get());
      for (int k = 0; k < 2; ++k) {
        if (soft) weight_row(weights, k, n, y, weight.get());
        T* target = row_of<T>(*outs[k], n, c, y);
        T* in = outs[k]->stride[3] == 1 ? target : to.get();
        select_row(g, w, shares[k], soft ? weight.get() : nullptr, in, width);
        spread_row(in, width, target, outs[k]->stride[3]);
      }
    }
  });
}

template <typename T>
void backward_part(const Tensor& grad, const Tensor& winners, const Tensor& centres, int part, const Tensor& grad_in,
                   const Context& ctx) {
  const int64_t channels = grad.shape[1], rows = grad_in.shape[2], columns = grad_in.shape[3], width = grad.shape[3];
  if (columns == 0) return;
  const Shares shares(part);
  parallel_for(grad.shape[0] * channels * rows, kPixelsPerChunk / columns + 1, ctx, [&](int64_t first, int64_t last) {
    Scratch<T> from(width), to(columns);
    Scratch<uint8_t> win(width);
    for (int64_t i = first; i < last; ++i) {
      const int64_t n = i / rows / channels, c = i / rows % channels, row = i % rows;
      T* target = row_of<T>(grad_in, n, c, row);
      T* in = grad_in.stride[3] == 1 ? target : to.get();
      const int64_t x0 = fuse::part_start(fuse::centre_at(centres, n, part, 0), columns);
      const int64_t y0 = fuse::part_start(fuse::centre_at(centres, n, part, 1), rows), y = y0 + row;
      Segment s;
      if (y >= 0 && y < grad.shape[2]) s = segment_of(grad_in, x0, y0, y, width);
      const int64_t count = s.end - s.begin;
      zero_row(in, s.from);
      if (count > 0)
        select_row(read_row<T>(grad, n, c, y, from.get()) + s.begin,
                   read_row<uint8_t>(winners, n, c, y, win.get()) + s.begin, shares, nullptr, in + s.from, count);
      zero_row(in + s.from + count, columns - s.from - count);
      spread_row(in, columns, target, grad_in.stride[3]);
    }
  });
}

}  // namespace

void fuse_regions_backward(const Tensor& grad, const Tensor& winners, const Tensor& centres, const Tensor& weights,
                           const FaceParts& grad_parts, const Tensor& grad_hair, const Tensor& grad_background,
                           const Context& ctx) {
  for_float_type(grad.dtype, [&](auto zero) {
    using T = decltype(zero);
    if (grad.numel() > 0) backward_frame<T>(grad, winners, weights, grad_hair, grad_background, ctx);
    for (int i = 0; i < 4; ++i) backward_part<T>(grad, winners, centres, i, grad_parts.part[i], ctx);
  });
}

}  // namespace PA_ISA
}  // namespace pyapdraw
