#pragma once
// Planes of float32 and the filters that the stages of `ink` share: separable Gaussians, box
// reduction to a working grid of about 256 x 256, bilinear return from it. All loops run over rows
// of contiguous floats, which the compiler vectorises; rows are dealt out to threads in bands that
// do not depend on their number.
#include <cmath>
#include <cstring>

#include "core/ink_math.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"

namespace pyapdraw {
namespace PA_ISA {
namespace inking {

using namespace sketch;  // what the CUDA kernels share

constexpr int64_t kBand = 16;  // rows a chunk: 32 chunks at 512 px keep any core count busy

struct Plane {
  float* data = nullptr;
  int64_t w = 0, h = 0;
  float* row(int64_t y) const { return data + y * w; }
  int64_t count() const { return w * h; }
};

// f(y) for every row.
template <typename F>
inline void each_row(int64_t h, const Context& ctx, F&& f) {
  parallel_for(h, kBand, ctx, [&](int64_t begin, int64_t end) {
    for (int64_t y = begin; y < end; ++y) f(y);
  });
}

template <int R>
inline void weigh(const float* const* rows, const float* k, float* __restrict out, int64_t n) {
  const float* p[2 * R + 1];
  for (int i = 0; i <= 2 * R; ++i) p[i] = rows[i];
  for (int64_t x = 0; x < n; ++x) {
    float s = k[0] * p[R][x];
    for (int i = 1; i <= R; ++i) s += k[i] * (p[R - i][x] + p[R + i][x]);
    out[x] = s;
  }
}

// out = sum of k[|i|] * rows[R + i]; rows are 2 r + 1 pointers, for a horizontal pass into one padded row.
inline void weigh(const float* const* rows, const float* k, int r, float* __restrict out, int64_t n) {
  switch (r) {
    case 0: weigh<0>(rows, k, out, n); return;
    case 1: weigh<1>(rows, k, out, n); return;
    case 2: weigh<2>(rows, k, out, n); return;
    case 3: weigh<3>(rows, k, out, n); return;
    case 4: weigh<4>(rows, k, out, n); return;
    case 5: weigh<5>(rows, k, out, n); return;
    case 6: weigh<6>(rows, k, out, n); return;
    case 7: weigh<7>(rows, k, out, n); return;
    case 8: weigh<8>(rows, k, out, n); return;
    default: break;
  }
  // Wider filters: blocks of columns, whose sums stay in registers or the nearest cache.
  constexpr int64_t kBlock = 64;
  for (int64_t x0 = 0; x0 < n; x0 += kBlock) {
    float sum[kBlock];
    const int64_t count = n - x0 < kBlock ? n - x0 : kBlock;
    const float* centre = rows[r] + x0;
    for (int64_t x = 0; x < count; ++x) sum[x] = k[0] * centre[x];
    for (int i = 1; i <= r; ++i) {
      const float *a = rows[r - i] + x0, *b = rows[r + i] + x0;
      const float weight = k[i];
      if (count == kBlock)
        for (int64_t x = 0; x < kBlock; ++x) sum[x] += weight * (a[x] + b[x]);
      else
        for (int64_t x = 0; x < count; ++x) sum[x] += weight * (a[x] + b[x]);
    }
    for (int64_t x = 0; x < count; ++x) out[x0 + x] = sum[x];
  }
}

// Gaussian of standard deviation sigma px, edge pixels repeated. out may be in; work is a third plane.
inline void blur(const Plane& in, const Plane& out, const Plane& work, float sigma, const Context& ctx) {
  const Gaussian window = gaussian(sigma);
  const float* k = window.weight;
  const int r = window.radius;
  if (r == 0) {
    if (in.data != out.data) std::memcpy(out.data, in.data, sizeof(float) * in.count());
    return;
  }
  parallel_for(in.h, kBand, ctx, [&](int64_t begin, int64_t end) {
    Scratch<float> padded(in.w + 2 * r);
    const float* rows[2 * kMaxRadius + 1];
    for (int i = 0; i <= 2 * r; ++i) rows[i] = padded.get() + i;
    for (int64_t y = begin; y < end; ++y) {
      const float* p = in.row(y);
      for (int i = 0; i < r; ++i) padded[i] = p[0], padded[in.w + r + i] = p[in.w - 1];
      std::memcpy(padded.get() + r, p, sizeof(float) * in.w);
      weigh(rows, k, r, work.row(y), in.w);
    }
  });
  each_row(in.h, ctx, [&](int64_t y) {
    const float* rows[2 * kMaxRadius + 1];
    for (int i = -r; i <= r; ++i) rows[r + i] = work.row(clamp_index(y + i, in.h - 1));
    weigh(rows, k, r, out.row(y), in.w);
  });
}

// Gradient of row y by the 3 x 3 Sobel kernel / 8; the border repeats.
inline void gradient_row(const Plane& p, int64_t y, float* __restrict gx, float* __restrict gy) {
  const int64_t w = p.w;
  const float *a = p.row(clamp_index(y - 1, p.h - 1)), *b = p.row(y), *c = p.row(clamp_index(y + 1, p.h - 1));
  auto at = [&](int64_t x, int64_t left, int64_t right) {
    gx[x] = gradient_x(a[left], a[right], b[left], b[right], c[left], c[right]);
    gy[x] = gradient_y(a[left], a[x], a[right], c[left], c[x], c[right]);
  };
  at(0, 0, w > 1 ? 1 : 0);
  for (int64_t x = 1; x < w - 1; ++x) at(x, x - 1, x + 1);
  if (w > 1) at(w - 1, w - 2, w - 1);
}

// Adds one full-size row to a row of sums of `factor` wide cells.
inline void add_cells(const float* row, int64_t w, int factor, float* __restrict cells) {
  if (factor == 1) {
    for (int64_t x = 0; x < w; ++x) cells[x] += row[x];
    return;
  }
  const int64_t whole = w / factor;
  if (factor == 2) {
    for (int64_t i = 0; i < whole; ++i) cells[i] += row[2 * i] + row[2 * i + 1];
  } else {
    for (int64_t i = 0; i < whole; ++i)
      for (int j = 0; j < factor; ++j) cells[i] += row[i * factor + j];
  }
  for (int64_t x = whole * factor; x < w; ++x) cells[whole] += row[x];
}

// Box reduction of K planes at once: fill(y, rows) writes row y of each full-size plane.
template <int K, typename F>
inline void reduce_rows(int64_t width, int64_t height, int factor, const Plane* low, const Context& ctx, F&& fill) {
  const int64_t bands = low[0].h, band = 1 + 7 / factor;
  parallel_for(bands, band, ctx, [&](int64_t begin, int64_t end) {
    Scratch<float> full(K * width);
    float* rows[K];
    for (int k = 0; k < K; ++k) rows[k] = full.get() + k * width;
    for (int64_t i = begin; i < end; ++i) {
      for (int k = 0; k < K; ++k) std::memset(low[k].row(i), 0, sizeof(float) * low[k].w);
      const int64_t first = i * factor, last = first + factor < height ? first + factor : height;
      for (int64_t y = first; y < last; ++y) {
        fill(y, rows);
        for (int k = 0; k < K; ++k) add_cells(rows[k], width, factor, low[k].row(i));
      }
      const float share = 1.f / static_cast<float>((last - first) * factor);
      const int64_t rest = width - (low[0].w - 1) * factor;
      for (int k = 0; k < K; ++k) {
        float* p = low[k].row(i);
        for (int64_t x = 0; x < low[k].w; ++x) p[x] *= share;
        p[low[k].w - 1] *= static_cast<float>(factor) / static_cast<float>(rest);
      }
    }
  });
}

template <int K, typename F>
inline void reduce_rows(const Grid& full, int factor, const Plane* low, const Context& ctx, F&& fill) {
  reduce_rows<K>(full.width, full.height, factor, low, ctx, fill);
}

// Bilinear return from a reduced plane, a row at a time. `index` and `weight` belong to the columns.
struct Enlarge {
  int64_t size;  // width
  int factor;
  Scratch<int32_t> index;
  Scratch<float> weight;

  Enlarge(const Grid& full, int f) : size(full.width), factor(f), index(full.width), weight(full.width) {
    const int64_t n = full.width;
    const int64_t low = reduced(n, f);
    for (int64_t x = 0; x < n; ++x) index[x] = static_cast<int32_t>(enlarge_place(x, low, factor, &weight[x]));
  }
  // out[0..size) of full-size row y; mix holds low.w + 1 floats.
  void row(const Plane& low, int64_t y, float* __restrict mix, float* __restrict out) const {
    if (factor == 1) {
      std::memcpy(out, low.row(y), sizeof(float) * size);
      return;
    }
    float t;
    const int64_t i = enlarge_place(y, low.h, factor, &t);
    const float *a = low.row(i), *b = low.row(low.h > 1 ? i + 1 : i);
    for (int64_t x = 0; x < low.w; ++x) mix[x] = a[x] + t * (b[x] - a[x]);
    mix[low.w] = mix[low.w - 1];
    if (factor == 2 && size == 2 * low.w) {  // the usual size: the same weights without gathers
      out[0] = mix[0];
      for (int64_t x = 0; x + 1 < low.w; ++x) {
        out[2 * x + 1] = mix[x] + 0.25f * (mix[x + 1] - mix[x]);
        out[2 * x + 2] = mix[x] + 0.75f * (mix[x + 1] - mix[x]);
      }
      out[size - 1] = mix[low.w - 1];
      return;
    }
    const int32_t* at = index.get();
    const float* w = weight.get();
    for (int64_t x = 0; x < size; ++x) {
      const int32_t j = at[x];
      out[x] = mix[j] + w[x] * (mix[j + 1] - mix[j]);
    }
  }
};

}  // namespace inking
}  // namespace PA_ISA
}  // namespace pyapdraw
