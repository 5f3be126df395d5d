// Enlarges a coarse map so that its edges follow those of an image: the guided filter [He, Sun, Tang:
// "Guided Image Filtering", PAMI 2013, eq. 5, 6 and 8] with its coefficients fitted at the coarse size
// [He, Sun: "Fast Guided Filter", arXiv:1505.00996].
//   guide   g = (0.299 R + 0.587 G + 0.114 B) / 255 of the image; a coarse cell's guide is the mean over the image
//           rows floor(i H/h) to ceil((i+1) H/h), columns likewise.
//   fit     in every window of (2 radius + 1)^2 cells, cut at the border: p ~ a g + b,
//           a = cov(g,p) / (var g + epsilon), b = mean p - a mean g; then a and b are averaged over the same windows.
//   apply   a and b interpolated bilinearly between cell centres (nearest cell beyond the outermost ones);
//           out = 255 ((a g + b - 1/2) gain + 1/2), rounded and saturated.
// Method: five passes over rows, each row on its own (the same bits for any number of threads): grey, cell means,
// fit, averages, apply. Sums run over the window directly, rows first, along vectors of a row. float32 throughout;
// var g is a difference of means of order one, so epsilon below 1e-6 would drown in rounding.
// Limits: scratch of one float a pixel.
#include <cstring>

#include "core/guided_upsample_math.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"

namespace pyapdraw {
namespace PA_ISA {

namespace {

constexpr int64_t kGrain = 16;  // rows of a chunk

void grey_row(const uint8_t* p, int64_t step, int64_t channel, float* grey, int64_t n) {
  if (step == 3 && channel == 1)
    for (int64_t x = 0; x < n; ++x) grey[x] = guided::grey(p[3 * x], p[3 * x + 1], p[3 * x + 2]);
  else
    for (int64_t x = 0; x < n; ++x)
      grey[x] = guided::grey(p[x * step], p[x * step + channel], p[x * step + 2 * channel]);
}

// Means over the image cells of one coarse row.
void cell_means(const float* grey, int64_t H, int64_t W, int64_t h, int64_t w, int64_t i, float* sums, float* means) {
  const int64_t y0 = guided::cell_begin(i, H, h), y1 = guided::cell_end(i, H, h);
  std::memcpy(sums, grey + y0 * W, static_cast<size_t>(W) * sizeof(float));
  for (int64_t y = y0 + 1; y < y1; ++y)
    for (int64_t x = 0; x < W; ++x) sums[x] += grey[y * W + x];
  for (int64_t j = 0; j < w; ++j) {
    const int64_t x0 = guided::cell_begin(j, W, w), x1 = guided::cell_end(j, W, w);
    float sum = 0;
    for (int64_t x = x0; x < x1; ++x) sum += sums[x];
    means[j] = sum / static_cast<float>((y1 - y0) * (x1 - x0));
  }
}

// A row buffer of w sums with `radius` zeros at both sides, and the window sums along it.
struct PaddedRow {
  PaddedRow(int64_t w, int64_t radius) : w(w), radius(radius), cells(w + 2 * radius) {
    std::memset(cells.get(), 0, static_cast<size_t>(w + 2 * radius) * sizeof(float));
  }
  float* middle() const { return cells.get() + radius; }
  void window_sums(float* sums) const {
    const float* p = cells.get();
    for (int64_t x = 0; x < w; ++x) sums[x] = p[x];
    for (int64_t k = 1; k <= 2 * radius; ++k)
      for (int64_t x = 0; x < w; ++x) sums[x] += p[x + k];
  }
  int64_t w, radius;
  Scratch<float> cells;
};

struct Window {
  int64_t h, w, radius;
  int64_t begin(int64_t i) const { return guided::window_begin(i, radius); }
  int64_t end(int64_t i, int64_t n) const { return guided::window_end(i, radius, n); }
  // 1 / cells of the window around (i, x), for every x
  void shares(int64_t i, float* share) const {
    const int64_t rows = end(i, h) - begin(i);
    for (int64_t x = 0; x < w; ++x) share[x] = 1.0f / static_cast<float>(rows * (end(x, w) - begin(x)));
  }
};

// Rows of a and b: the least-squares line of every window around coarse row i.
void fit_row(const Window& win, const float* guide, const float* p, int64_t i, float epsilon, float* a, float* b) {
  const int64_t w = win.w;
  PaddedRow sum_g(w, win.radius), sum_p(w, win.radius), sum_gg(w, win.radius), sum_gp(w, win.radius);
  float *sg = sum_g.middle(), *sp = sum_p.middle(), *sgg = sum_gg.middle(), *sgp = sum_gp.middle();
  for (int64_t k = win.begin(i); k < win.end(i, win.h); ++k) {
    const float *g = guide + k * w, *q = p + k * w;
    for (int64_t x = 0; x < w; ++x) {
      sg[x] += g[x];
      sp[x] += q[x];
      sgg[x] += g[x] * g[x];
      sgp[x] += g[x] * q[x];
    }
  }
  Scratch<float> share(w), g(w), q(w), gg(w), gp(w);
  win.shares(i, share.get());
  sum_g.window_sums(g.get());
  sum_p.window_sums(q.get());
  sum_gg.window_sums(gg.get());
  sum_gp.window_sums(gp.get());
  for (int64_t x = 0; x < w; ++x) {
    guided::fit_line(g[x] * share[x], q[x] * share[x], gg[x] * share[x], gp[x] * share[x], epsilon, &a[x], &b[x]);
  }
}

void average_row(const Window& win, const float* values, int64_t i, float* means) {
  PaddedRow sum(win.w, win.radius);
  float* s = sum.middle();
  for (int64_t k = win.begin(i); k < win.end(i, win.h); ++k)
    for (int64_t x = 0; x < win.w; ++x) s[x] += values[k * win.w + x];
  Scratch<float> share(win.w);
  win.shares(i, share.get());
  sum.window_sums(means);
  for (int64_t x = 0; x < win.w; ++x) means[x] *= share[x];
}

void mix_rows(const float* upper, const float* lower, float f, float* mixed, int64_t w) {
  for (int64_t x = 0; x < w; ++x) mixed[x] = guided::mix(upper[x], lower[x], f);
  mixed[w] = mixed[w - 1];
}

void apply_row(const float* a, const float* b, const int32_t* cell, const float* fraction, const float* grey,
               float gain, uint8_t* __restrict out, int64_t n) {
  for (int64_t x = 0; x < n; ++x) {
    const int32_t j = cell[x];
    const float f = fraction[x];
    out[x] = guided::level(guided::mix(a[j], a[j + 1], f), guided::mix(b[j], b[j + 1], f), grey[x], gain);
  }
}

// The coarse map as one block; `copy` holds it when it is a view.
const float* contiguous(const Tensor& t, Scratch<float>& copy) {
  if (t.contiguous()) return t.as<float>();
  for (int64_t i = 0; i < t.shape[0]; ++i)
    for (int64_t j = 0; j < t.shape[1]; ++j)
      copy[i * t.shape[1] + j] = t.as<float>()[i * t.stride[0] + j * t.stride[1]];
  return copy.get();
}

}  // namespace

void guided_upsample(const Tensor& coarse, const Tensor& image, const Tensor& out, int radius, float epsilon,
                     float gain, const Context& ctx) {
  const int64_t h = coarse.shape[0], w = coarse.shape[1], H = image.shape[0], W = image.shape[1];
  const int64_t longest = h > w ? h : w, reach = radius < longest ? radius : longest;
  const Window win{h, w, reach};
  Scratch<float> grey(H * W), guide(h * w), a(h * w), b(h * w), mean_a(h * w), mean_b(h * w), copy(h * w);
  const float* p = contiguous(coarse, copy);
  parallel_for(H, 2 * kGrain, ctx, [&](int64_t begin, int64_t end) {
    for (int64_t y = begin; y < end; ++y)
      grey_row(image.as<uint8_t>() + y * image.stride[0], image.stride[1], image.stride[2], &grey[y * W], W);
  });
  parallel_for(h, 2 * kGrain, ctx, [&](int64_t begin, int64_t end) {
    Scratch<float> sums(W);
    for (int64_t i = begin; i < end; ++i) cell_means(grey.get(), H, W, h, w, i, sums.get(), &guide[i * w]);
  });
  parallel_for(h, 2 * kGrain, ctx, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) fit_row(win, guide.get(), p, i, epsilon, &a[i * w], &b[i * w]);
  });
  parallel_for(h, 2 * kGrain, ctx, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      average_row(win, a.get(), i, &mean_a[i * w]);
      average_row(win, b.get(), i, &mean_b[i * w]);
    }
  });
  Scratch<int32_t> cell(W);
  Scratch<float> fraction(W);
  for (int64_t x = 0; x < W; ++x) cell[x] = static_cast<int32_t>(guided::cell_below(x, W, w, &fraction[x]));
  parallel_for(H, kGrain, ctx, [&](int64_t begin, int64_t end) {
    Scratch<float> row_a(w + 1), row_b(w + 1);
    Scratch<uint8_t> row(W);
    for (int64_t y = begin; y < end; ++y) {
      float f;
      const int64_t i = guided::cell_below(y, H, h, &f), below = i + 1 < h ? i + 1 : i;
      mix_rows(&mean_a[i * w], &mean_a[below * w], f, row_a.get(), w);
      mix_rows(&mean_b[i * w], &mean_b[below * w], f, row_b.get(), w);
      uint8_t* to = out.as<uint8_t>() + y * out.stride[0];
      uint8_t* line = out.stride[1] == 1 ? to : row.get();
      apply_row(row_a.get(), row_b.get(), cell.get(), fraction.get(), &grey[y * W], gain, line, W);
      if (line != to)
        for (int64_t x = 0; x < W; ++x) to[x * out.stride[1]] = line[x];
    }
  });
}

}  // namespace PA_ISA
}  // namespace pyapdraw
