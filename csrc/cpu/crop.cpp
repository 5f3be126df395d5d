// Crops of an image at a size of the caller's choice, as normalised float32, and the selection among
// overlapping boxes: what a cascade of small detection nets needs between its stages.
//   crop_area   box [x0,x1) x [y0,y1) -> h x w; output (i,j) is the mean over rows floor(i bh/h) to
//               ceil((i+1) bh/h) of the box, columns likewise (adaptive average pooling, "area" resize).
//               Sums are integers: exact. Method: one pass adds the window's rows (bytes into 16 or 32 bit
//               columns, vectorised), then each output sums its columns.
//   crop_warp   affine: output pixel centre (u,v) -> image point M (u,v,1). Reads the image with k x k bilinear
//               taps spread over the pixel's footprint, k = its side in image pixels, so that shrinking does not
//               alias; k is at most crop::kMostTaps: shrink by crop_area first where more is needed. Points beyond
//               the border pixels' outer edges are `subtract`, so that they come out as 0: to a net, no evidence.
//               float32; coordinates in float64 for each row's start.
//   nms         greedy: boxes in falling order of score, each kept one removes later ones that overlap it.
// A pixel centre has integer coordinates. Values are (mean - subtract) * multiply.
#include <cstring>

#include "core/crop_math.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"

namespace pyapdraw {
namespace PA_ISA {

namespace {

// Column sums of a window of rows: sums[x*c + k] over `height` rows. S is wide enough for 255 * height.
template <typename S>
void add_rows(const uint8_t* first, int64_t height, int64_t row_step, int64_t width, int64_t c, int64_t step,
              S* __restrict sums) {
  std::memset(sums, 0, static_cast<size_t>(width * c) * sizeof(S));
  for (int64_t y = 0; y < height; ++y) {
    const uint8_t* __restrict row = first + y * row_step;
    if (step == c) {
      const int64_t n = width * c;
      for (int64_t i = 0; i < n; ++i) sums[i] = static_cast<S>(sums[i] + row[i]);
    } else {
      for (int64_t x = 0; x < width; ++x)
        for (int64_t k = 0; k < c; ++k) sums[x * c + k] = static_cast<S>(sums[x * c + k] + row[x * step + k]);
    }
  }
}

struct AreaRow {
  int64_t width, outputs, rows, c;  // of the box, of the crop, of the window, channels
  float subtract, multiply;
};

// One crop row from column sums. C: channels known at compile time, or 0.
template <typename S, int C>
void average_columns(const AreaRow& a, const S* sums, float* out, int64_t out_step) {
  const int64_t c = C ? C : a.c;
  for (int64_t j = 0; j < a.outputs; ++j, out += out_step) {
    const int64_t x0 = crop::area_begin(j, a.width, a.outputs), x1 = crop::area_end(j, a.width, a.outputs);
    const float count = static_cast<float>((x1 - x0) * a.rows);
    if (C == 3) {
      int64_t r = 0, g = 0, b = 0;
      for (const S *p = sums + x0 * 3, *end = sums + x1 * 3; p < end; p += 3) r += p[0], g += p[1], b += p[2];
      out[0] = crop::area_mean(r, count, a.subtract, a.multiply);
      out[1] = crop::area_mean(g, count, a.subtract, a.multiply);
      out[2] = crop::area_mean(b, count, a.subtract, a.multiply);
    } else {
      for (int64_t k = 0; k < c; ++k) {
        int64_t sum = 0;
        for (int64_t x = x0; x < x1; ++x) sum += sums[x * c + k];
        out[k] = crop::area_mean(sum, count, a.subtract, a.multiply);
      }
    }
  }
}

// Rows that keep 255 * rows in 16 bits are summed there: twice the lanes.
template <int C>
void area_row(const AreaRow& a, const uint8_t* first, int64_t row_step, int64_t step, int32_t* sums, float* out,
              int64_t out_step) {
  if (a.rows <= 257) {
    auto* narrow = reinterpret_cast<uint16_t*>(sums);
    add_rows(first, a.rows, row_step, a.width, a.c, step, narrow);
    average_columns<uint16_t, C>(a, narrow, out, out_step);
  } else {
    add_rows(first, a.rows, row_step, a.width, a.c, step, sums);
    average_columns<int32_t, C>(a, sums, out, out_step);
  }
}

// One output row. m: output (u,v) -> image.
template <typename T, int C>
void warp_row(const Tensor& image, const double* m, int64_t v, int64_t width, float subtract, float multiply,
              float* out, int64_t out_step) {
  const int taps = crop::tap_count(m);
  const float weight = 1.0f / static_cast<float>(taps * taps), ax = static_cast<float>(m[0]),
              ay = static_cast<float>(m[3]);
  float offset_x[crop::kMostTaps * crop::kMostTaps], offset_y[crop::kMostTaps * crop::kMostTaps];
  for (int i = 0; i < taps * taps; ++i) crop::tap_offset(m, taps, i, &offset_x[i], &offset_y[i]);
  const float start_x = static_cast<float>(m[1] * v + m[2]), start_y = static_cast<float>(m[4] * v + m[5]);
  for (int64_t u = 0; u < width; ++u, out += out_step) {
    const float x = start_x + ax * static_cast<float>(u), y = start_y + ay * static_cast<float>(u);
    float sum[C] = {};
    for (int i = 0; i < taps * taps; ++i)
      crop::add_bilinear<T, C>(image, x + offset_x[i], y + offset_y[i], weight, subtract, sum);
    for (int c = 0; c < C; ++c) out[c] = (sum[c] - subtract) * multiply;
  }
}

}  // namespace

void crop_area(const Tensor& image, const Tensor& boxes, const Tensor& out, float subtract, float multiply,
               const Context& ctx) {
  const int64_t h = out.shape[1], w = out.shape[2], c = image.shape[2];
  int64_t widest = 0, area = 0;
  for (int64_t n = 0; n < boxes.shape[0]; ++n) {
    const int32_t* r = boxes.as<int32_t>() + 4 * n;
    const int64_t bw = r[2] - r[0];
    widest = bw > widest ? bw : widest;
    area += bw * (r[3] - r[1]);
  }
  const int64_t row_work = area * c / (boxes.shape[0] * h) / 8 + w * c, grain = 1 + 20000 / (row_work + 1);
  parallel_for(boxes.shape[0] * h, grain, ctx, [&](int64_t begin, int64_t end) {
    Scratch<int32_t> sums(widest * c);
    for (int64_t item = begin; item < end; ++item) {
      const int64_t n = item / h, i = item % h;
      const int32_t* r = boxes.as<int32_t>() + 4 * n;
      const int64_t bh = r[3] - r[1], y0 = crop::area_begin(i, bh, h), y1 = crop::area_end(i, bh, h);
      const AreaRow a{r[2] - r[0], w, y1 - y0, c, subtract, multiply};
      const uint8_t* first = image.as<uint8_t>() + (r[1] + y0) * image.stride[0] + r[0] * image.stride[1];
      float* to = out.as<float>() + n * out.stride[0] + i * out.stride[1];
      (c == 3 ? area_row<3> : area_row<0>)(a, first, image.stride[0], image.stride[1], sums.get(), to, out.stride[2]);
    }
  });
}

void crop_warp(const Tensor& image, const Tensor& to_image, const Tensor& out, float subtract, float multiply,
               const Context& ctx) {
  const int64_t h = out.shape[1], w = out.shape[2];
  const bool bytes = image.dtype == DType::u8, grey = image.shape[2] == 1;
  auto* row =
      bytes ? (grey ? warp_row<uint8_t, 1> : warp_row<uint8_t, 3>) : (grey ? warp_row<float, 1> : warp_row<float, 3>);
  parallel_for(out.shape[0] * h, 1 + 1000 / (w + 1), ctx, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t n = item / h, v = item % h;
      row(image, to_image.as<double>() + 6 * n, v, w, subtract, multiply,
          out.as<float>() + n * out.stride[0] + v * out.stride[1], out.stride[2]);
    }
  });
}

void nms(const Tensor& boxes, const Tensor& keep, float threshold, float side, bool minimum, const Context&) {
  const int64_t n = boxes.shape[0];
  const float* r = boxes.as<float>();
  uint8_t* kept = keep.as<uint8_t>();
  const crop::Suppression how{threshold, side, minimum};
  Scratch<float> areas(n);
  for (int64_t i = 0; i < n; ++i) {
    areas[i] = crop::box_area(r + 4 * i, side);
    kept[i] = 1;
  }
  for (int64_t i = 0; i < n; ++i) {
    if (!kept[i]) continue;
    const float a[4] = {r[4 * i], r[4 * i + 1], r[4 * i + 2], r[4 * i + 3]};  // a copy that stores to kept leave alone
    for (int64_t j = i + 1; j < n; ++j)
      if (crop::suppresses(a, areas[i], r + 4 * j, areas[j], how)) kept[j] = 0;
  }
}

}  // namespace PA_ISA
}  // namespace pyapdraw
