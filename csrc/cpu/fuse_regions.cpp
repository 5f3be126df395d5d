// Min-pooled fusion of six local drawings [APD19, section 4.1; official partCombiner2_bg].
// Method: one pass over the frame, a row at a time: hair or background by mask, minimum with
// white, then each part over its own segment of the row. Nothing is padded or copied.
// A row is the unit of work, so results do not depend on the number of threads.
// Numerics: the output is one of the inputs, bit for bit, or 1; NaN wins.
#include "core/fuse_regions_math.h"
#include "cpu/convert.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"

namespace pyapdraw {
namespace PA_ISA {
namespace {

constexpr int64_t kPixelsPerChunk = 16384;  // a few microseconds of work

// Part of a row that a region covers: frame columns [begin, end), from its own column `from`.
struct Segment {
  int64_t begin = 0, end = 0, from = 0, row = 0;
};

Segment segment_of(const Tensor& part, const Tensor& centres, int64_t n, int i, int64_t y, int64_t width) {
  const int64_t x0 = fuse::part_start(fuse::centre_at(centres, n, i, 0), part.shape[3]);
  const int64_t y0 = fuse::part_start(fuse::centre_at(centres, n, i, 1), part.shape[2]);
  Segment s;
  s.row = y - y0;
  if (s.row < 0 || s.row >= part.shape[2]) return s;
  s.begin = x0 > 0 ? x0 : 0;
  s.end = x0 + part.shape[3] < width ? x0 + part.shape[3] : width;
  s.from = s.begin - x0;
  if (s.end <= s.begin) s.begin = s.end = 0;
  return s;
}

template <typename T>
T* row_of(const Tensor& t, int64_t n, int64_t c, int64_t y) {
  return t.as<T>() + n * t.stride[0] + c * t.stride[1] + y * t.stride[2];
}

// visible[x]: which of the two large images shows through, as the upper bits of `winners`.
template <typename T>
void person_row(const T* mask, int64_t step, int64_t width, uint8_t* visible) {
  for (int64_t x = 0; x < width; ++x)
    visible[x] = to_float(mask[x * step]) >= 0.5f ? fuse::kHairVisible : fuse::kBackgroundVisible;
}
void person_row(const uint8_t* mask, int64_t step, int64_t width, uint8_t* visible) {
  for (int64_t x = 0; x < width; ++x) visible[x] = mask[x * step] ? fuse::kHairVisible : fuse::kBackgroundVisible;
}

void visible_row(const Tensor& mask, int64_t n, int64_t y, const Segment* segments, int64_t width, uint8_t* visible) {
  if (mask.dtype == DType::f32)
    person_row(row_of<float>(mask, n, 0, y), mask.stride[3], width, visible);
  else if (mask.dtype == DType::bf16)
    person_row(row_of<Bfloat16>(mask, n, 0, y), mask.stride[3], width, visible);
  else
    person_row(row_of<uint8_t>(mask, n, 0, y), mask.stride[3], width, visible);
  for (int i = 0; i < 4; ++i)
    for (int64_t x = segments[i].begin; x < segments[i].end; ++x) visible[x] &= fuse::kBackgroundVisible;
}

// The steps are template arguments where they are 1, so that the common loops vectorise.
template <typename T, typename Step>
struct FuseRow {
  const T* hair;
  const T* background;
  const T* part[4];
  T* out;
  Step hair_step, background_step, part_step[4], out_step;

  void minimum(const uint8_t* visible, const Segment* segments, int64_t width) const {
    const T white = from_float<T>(1.0f);
    for (int64_t x = 0; x < width; ++x) {
      const T shown = visible[x] & fuse::kHairVisible ? hair[x * hair_step] : background[x * background_step];
      out[x * out_step] = visible[x] && fuse::replaces(to_float(shown), 1.0f) ? shown : white;
    }
    for (int i = 0; i < 4; ++i) {
      const Segment& s = segments[i];
      const T* p = part[i] + (s.from - s.begin) * part_step[i];
      for (int64_t x = s.begin; x < s.end; ++x) {
        const T a = p[x * part_step[i]], m = out[x * out_step];
        out[x * out_step] = fuse::replaces(to_float(a), to_float(m)) ? a : m;
      }
    }
  }

  void winners(const uint8_t* visible, const Segment* segments, int64_t width, uint8_t* win, int64_t win_step) const {
    for (int64_t x = 0; x < width; ++x) {
      const float m = to_float(out[x * out_step]);
      const unsigned white = m == 1.0f;
      const unsigned is_hair = visible[x] & fuse::kHairVisible ? fuse::equals(to_float(hair[x * hair_step]), m) : white;
      const unsigned is_background =
          visible[x] & fuse::kBackgroundVisible ? fuse::equals(to_float(background[x * background_step]), m) : white;
      win[x * win_step] = static_cast<uint8_t>(visible[x] | white * fuse::kPartBits | is_hair << fuse::kHair |
                                               is_background << fuse::kBackground);
    }
    for (int i = 0; i < 4; ++i) {
      const Segment& s = segments[i];
      const T* p = part[i] + (s.from - s.begin) * part_step[i];
      for (int64_t x = s.begin; x < s.end; ++x) {
        const unsigned won = fuse::equals(to_float(p[x * part_step[i]]), to_float(out[x * out_step]));
        win[x * win_step] = static_cast<uint8_t>((win[x * win_step] & ~(1u << i)) | won << i);
      }
    }
  }
};

struct One {
  constexpr operator int64_t() const { return 1; }
};

template <typename T, typename Step, typename ToStep>
FuseRow<T, Step> fuse_row(const FaceParts& parts, const Tensor& hair, const Tensor& background, const Tensor& out,
                          int64_t n, int64_t c, int64_t y, const Segment* segments, ToStep&& step) {
  FuseRow<T, Step> r{};
  r.hair = row_of<T>(hair, n, c, y);
  r.background = row_of<T>(background, n, c, y);
  r.out = row_of<T>(out, n, c, y);
  r.hair_step = step(hair.stride[3]);
  r.background_step = step(background.stride[3]);
  r.out_step = step(out.stride[3]);
  for (int i = 0; i < 4; ++i) {
    const Segment& s = segments[i];
    r.part[i] = row_of<T>(parts.part[i], n, c, s.end > s.begin ? s.row : 0);
    r.part_step[i] = step(parts.part[i].stride[3]);
  }
  return r;
}

bool unit_steps(const FaceParts& parts, const Tensor& hair, const Tensor& background, const Tensor& out) {
  bool unit = hair.stride[3] == 1 && background.stride[3] == 1 && out.stride[3] == 1;
  for (int i = 0; i < 4; ++i) unit = unit && parts.part[i].stride[3] == 1;
  return unit;
}

}  // namespace

void fuse_regions(const FaceParts& parts, const Tensor& centres, const Tensor& hair, const Tensor& background,
                  const Tensor& mask, const Tensor& out, const Tensor& winners, const Context& ctx) {
  const int64_t channels = hair.shape[1], height = hair.shape[2], width = hair.shape[3];
  const bool unit = unit_steps(parts, hair, background, out), with_winners = winners.numel() > 0;
  const int64_t grain = kPixelsPerChunk / width + 1;
  parallel_for(hair.shape[0] * height, grain, ctx, [&](int64_t first, int64_t last) {
    Scratch<uint8_t> visible(width);
    for (int64_t i = first; i < last; ++i) {
      const int64_t n = i / height, y = i % height;
      Segment segments[4];
      for (int p = 0; p < 4; ++p) segments[p] = segment_of(parts.part[p], centres, n, p, y, width);
      visible_row(mask, n, y, segments, width, visible.get());
      for (int64_t c = 0; c < channels; ++c) {
        const auto run = [&](const auto& row) {
          row.minimum(visible.get(), segments, width);
          if (with_winners)
            row.winners(visible.get(), segments, width, row_of<uint8_t>(winners, n, c, y), winners.stride[3]);
        };
        for_float_type(hair.dtype, [&](auto zero) {
          using T = decltype(zero);
          if (unit)
            run(fuse_row<T, One>(parts, hair, background, out, n, c, y, segments, [](int64_t) { return One{}; }));
          else
            run(fuse_row<T, int64_t>(parts, hair, background, out, n, c, y, segments, [](int64_t s) { return s; }));
        });
      }
    }
  });
}

namespace {

// grad_in[x] = grad[x] * table[winners[x]]
template <typename T>
void select_row(const T* grad, int64_t grad_step, const uint8_t* win, int64_t win_step, const float* table, T* in,
                int64_t in_step, int64_t count) {
  for (int64_t x = 0; x < count; ++x)
    in[x * in_step] = from_float<T>(to_float(grad[x * grad_step]) * table[win[x * win_step]]);
}

template <typename T>
void zero_row(T* in, int64_t step, int64_t count) {
  for (int64_t x = 0; x < count; ++x) in[x * step] = from_float<T>(0.0f);
}

template <typename T>
void backward_frame(const Tensor& grad, const Tensor& winners, const float* table, const Tensor& grad_in,
                    const Context& ctx) {
  const int64_t channels = grad.shape[1], height = grad.shape[2], width = grad.shape[3];
  parallel_for(grad.shape[0] * channels * height, kPixelsPerChunk / width + 1, ctx, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const int64_t n = i / height / channels, c = i / height % channels, y = i % height;
      select_row(row_of<T>(grad, n, c, y), grad.stride[3], row_of<uint8_t>(winners, n, c, y), winners.stride[3], table,
                 row_of<T>(grad_in, n, c, y), grad_in.stride[3], width);
    }
  });
}

template <typename T>
void backward_part(const Tensor& grad, const Tensor& winners, const Tensor& centres, int part, const float* table,
                   const Tensor& grad_in, const Context& ctx) {
  const int64_t channels = grad.shape[1], rows = grad_in.shape[2], columns = grad_in.shape[3];
  if (columns == 0) return;
  parallel_for(grad.shape[0] * channels * rows, kPixelsPerChunk / columns + 1, ctx, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const int64_t n = i / rows / channels, c = i / rows % channels, row = i % rows;
      T* in = row_of<T>(grad_in, n, c, row);
      const int64_t y = row + fuse::part_start(fuse::centre_at(centres, n, part, 1), rows);
      Segment s;
      if (y >= 0 && y < grad.shape[2]) s = segment_of(grad_in, centres, n, part, y, grad.shape[3]);
      const int64_t count = s.end - s.begin, step = grad_in.stride[3];
      if (count == 0) {
        zero_row(in, step, columns);
        continue;
      }
      zero_row(in, step, s.from);
      select_row(row_of<T>(grad, n, c, y) + s.begin * grad.stride[3], grad.stride[3],
                 row_of<uint8_t>(winners, n, c, y) + s.begin * winners.stride[3], winners.stride[3], table,
                 in + s.from * step, step, count);
      zero_row(in + (s.from + count) * step, step, columns - s.from - count);
    }
  });
}

}  // namespace

void fuse_regions_backward(const Tensor& grad, const Tensor& winners, const Tensor& centres,
                           const FaceParts& grad_parts, const Tensor& grad_hair, const Tensor& grad_background,
                           const Context& ctx) {
  float table[6][256];
  for (int i = 0; i < 6; ++i)
    for (unsigned w = 0; w < 256; ++w) {
      const bool seen = i < 4 || (w & (i == fuse::kHair ? fuse::kHairVisible : fuse::kBackgroundVisible));
      table[i][w] = seen ? fuse::share(w, i) : 0.0f;
    }
  for_float_type(grad.dtype, [&](auto zero) {
    using T = decltype(zero);
    if (grad.numel() > 0) {
      backward_frame<T>(grad, winners, table[fuse::kHair], grad_hair, ctx);
      backward_frame<T>(grad, winners, table[fuse::kBackground], grad_background, ctx);
    }
    for (int i = 0; i < 4; ++i) backward_part<T>(grad, winners, centres, i, table[i], grad_parts.part[i], ctx);
  });
}

}  // namespace PA_ISA
}  // namespace pyapdraw
