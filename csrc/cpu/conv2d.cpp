// 2D convolution with bias and PReLU, and max pooling, on channel-last float32.
//   out[n,y,x,o] = prelu(bias[o] + sum_{ky,kx,i} x[n, y*stride+ky-pad, x*stride+kx-pad, i] weight[ky,kx,i,o], slope[o])
// with prelu(v, s) = v > 0 ? v : s v: slope 0 is ReLU, slope 1 is none.
//
// Method: direct convolution. A tile of P neighbouring output pixels times V vectors of output
// channels stays in registers while the taps are swept; a tap costs V weight loads, P broadcasts
// and P*V multiply-adds, so the arithmetic units are the limit, not the loads. Where a row is no
// multiple of P its last tile overlaps the one before. Channels adjacent to the next pixel's
// (no gap between pixels) make kx and i one run: that is what keeps 3-channel inputs fast.
// Rows above and below the image are left out of the sum; columns beside it come from a copy of
// the input rows with zeros at the ends, which costs 1/(kw O) of the arithmetic.
// Weights of O not a multiple of the vector are padded into scratch, once a call.
// Numerics: one float32 accumulator an output, summed in the order ky, kx, i, whatever the tiling
// and the number of threads: results do not depend on either.
#include <cstring>

#include "cpu/kernels.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"

namespace pyapdraw {
namespace PA_ISA {

namespace {

#if defined(__AVX512F__)
constexpr int kLanes = 16, kTileVectors = 24;  // of 32 registers
#elif defined(__AVX__)
constexpr int kLanes = 8, kTileVectors = 12;  // of 16 registers
#else
constexpr int kLanes = 4, kTileVectors = 12;
#endif
constexpr int kMostPixels = 12, kMostVectors = 4;
typedef float Vec __attribute__((vector_size(kLanes * sizeof(float)), aligned(sizeof(float)), may_alias));

constexpr int most_pixels(int vectors) {
  return kTileVectors / vectors < kMostPixels ? kTileVectors / vectors : kMostPixels;
}

inline const Vec& load(const float* p) { return *reinterpret_cast<const Vec*>(p); }

// What one tile needs: the input at its first pixel and first tap, and the packed weights.
struct Taps {
  int64_t rows, columns, run;       // taps: rows x columns x run adjacent floats
  int64_t row_step, column_step;    // input, elements
  int64_t pixel_step;               // input, between neighbouring output pixels
  int64_t weight_row, weight_step;  // weights: a row of taps, one tap element
};

template <int P, int V>
void tile(const Taps& t, const float* x, const float* weight, const float* bias, const float* slope, float* out,
          int64_t out_step, int64_t channels) {
  Vec sum[P][V];
  for (int p = 0; p < P; ++p)
    for (int v = 0; v < V; ++v) sum[p][v] = load(bias + v * kLanes);
  const int64_t step = t.pixel_step, weight_step = t.weight_step;
  for (int64_t ky = 0; ky < t.rows; ++ky) {
    const float* w = weight + ky * t.weight_row;
    for (int64_t kx = 0; kx < t.columns; ++kx) {
      // Three pixels share a base pointer: P pixels need P/3 + 3 registers, not P.
      const float* base[(P + 2) / 3];
      for (int q = 0; q < (P + 2) / 3; ++q) base[q] = x + ky * t.row_step + kx * t.column_step + 3 * q * step;
      for (int64_t i = 0; i < t.run; ++i, w += weight_step) {
        Vec tap[V];
        for (int v = 0; v < V; ++v) tap[v] = load(w + v * kLanes);
        const int64_t at[3] = {i, i + step, i + 2 * step};
        for (int p = 0; p < P; ++p) {
          const float value = base[p / 3][at[p % 3]];
          for (int v = 0; v < V; ++v) sum[p][v] += value * tap[v];
        }
      }
    }
  }
  for (int v = 0; v < V; ++v) {
    const Vec s = load(slope + v * kLanes);
    const int64_t left = channels - v * kLanes;
    for (int p = 0; p < P; ++p) {
      const Vec a = sum[p][v], b = a * s;
      const Vec y = a > 0.0f ? a : b;
      float* to = out + p * out_step + v * kLanes;
      if (left >= kLanes)
        *reinterpret_cast<Vec*>(to) = y;
      else
        std::memcpy(to, &y, static_cast<size_t>(left) * sizeof(float));
    }
  }
}

using Tile = void (*)(const Taps&, const float*, const float*, const float*, const float*, float*, int64_t, int64_t);

template <int V>
Tile tile_for(int pixels) {
  constexpr int M = most_pixels(V);
#define PA_TILE(P) \
  case P: return tile < (P) <= M ? (P) : 1, V > ;
  // clang-format off
  switch (pixels) {
    PA_TILE(1) PA_TILE(2) PA_TILE(3) PA_TILE(4) PA_TILE(5) PA_TILE(6)
    PA_TILE(7) PA_TILE(8) PA_TILE(9) PA_TILE(10) PA_TILE(11) PA_TILE(12)
    default: return nullptr;
  }
  // clang-format on
#undef PA_TILE
}

Tile choose_tile(int vectors, int pixels) {
  return vectors == 4 ? tile_for<4>(pixels) : vectors == 2 ? tile_for<2>(pixels) : tile_for<1>(pixels);
}

// One width of channel block: where it starts, and the tile that fits a row.
struct Block {
  int64_t first;  // output channel
  int pixels, tiles;
  Tile run;
};

// Covers `vectors` vectors of channels for a segment of `width` pixels; returns the count.
int plan_blocks(int64_t vectors, int64_t width, Block* blocks) {
  int count = 0;
  for (int64_t done = 0; done < vectors;) {
    const int64_t left = vectors - done;
    const int v = left >= 4 && width <= most_pixels(4) ? 4 : left >= 2 ? 2 : 1;
    const int most = most_pixels(v);
    const int64_t tiles = (width + most - 1) / most;
    const int pixels = static_cast<int>((width + tiles - 1) / tiles);
    blocks[count++] = {done * kLanes, pixels, static_cast<int>(tiles), choose_tile(v, pixels)};
    done += v;
  }
  return count;
}

// Weights, bias and slope with the output channels padded to whole vectors; the caller's own
// memory where that is so already.
struct Packed {
  const float *weight, *bias, *slope;
  int64_t step;
  Scratch<float> memory;

  Packed(const Tensor& w, const Tensor& b, const Tensor& s)
      : weight(w.as<float>()),
        bias(b.as<float>()),
        slope(s.as<float>()),
        step(w.shape[3]),
        memory(w.shape[3] % kLanes ? (w.shape[0] * w.shape[1] * w.shape[2] + 2) * padded(w.shape[3]) : 0) {
    const int64_t outputs = w.shape[3], taps = w.shape[0] * w.shape[1] * w.shape[2];
    if (outputs % kLanes == 0) return;
    step = padded(outputs);
    float* to = memory.get();
    for (int64_t r = 0; r < taps + 2; ++r, to += step) {
      const float* from = r < taps ? weight + r * outputs : r == taps ? bias : slope;
      std::memcpy(to, from, static_cast<size_t>(outputs) * sizeof(float));
      std::memset(to + outputs, 0, static_cast<size_t>(step - outputs) * sizeof(float));
    }
    weight = memory.get();
    bias = weight + taps * step;
    slope = bias + step;
  }
  static int64_t padded(int64_t n) { return (n + kLanes - 1) / kLanes * kLanes; }
};

// Copies the input rows of one output row with `pad` zero pixels at both ends.
void pad_rows(const float* x, const Tensor& t, int64_t rows, int64_t pad, float* to) {
  const int64_t w = t.shape[2], c = t.shape[3], side = pad * c;
  for (int64_t r = 0; r < rows; ++r, x += t.stride[1]) {
    std::memset(to, 0, static_cast<size_t>(side) * sizeof(float));
    to += side;
    if (t.stride[2] == c)
      std::memcpy(to, x, static_cast<size_t>(w * c) * sizeof(float));
    else
      for (int64_t i = 0; i < w; ++i)
        std::memcpy(to + i * c, x + i * t.stride[2], static_cast<size_t>(c) * sizeof(float));
    to += w * c;
    std::memset(to, 0, static_cast<size_t>(side) * sizeof(float));
    to += side;
  }
}

// Maximum of a window of `height` x `width` pixels for all c channels. NaN stays.
void pool_window(const float* corner, int64_t height, int64_t width, int64_t row_step, int64_t step, int64_t c,
                 float* to) {
  int64_t done = 0;
  for (; done < c && c >= kLanes; done += kLanes) {
    if (done + kLanes > c) done = c - kLanes;  // the last vector overlaps the one before
    Vec best = load(corner + done);
    for (int64_t y = 0; y < height; ++y)
      for (int64_t x = 0; x < width; ++x) {
        const Vec v = load(corner + y * row_step + x * step + done);
        best = best > v || best != best ? best : v;
      }
    *reinterpret_cast<Vec*>(to + done) = best;
  }
  for (int64_t i = done; i < c; ++i) {
    float best = corner[i];
    for (int64_t y = 0; y < height; ++y)
      for (int64_t x = 0; x < width; ++x) {
        const float v = corner[y * row_step + x * step + i];
        best = best > v || best != best ? best : v;
      }
    to[i] = best;
  }
}

}  // namespace

void conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& slope, const Tensor& out,
            int stride, int pad, const Context& ctx) {
  const int64_t kh = weight.shape[0], kw = weight.shape[1], c = x.shape[3], h = x.shape[1];
  const int64_t ho = out.shape[1], wo = out.shape[2], outputs = out.shape[3];
  const Packed packed(weight, bias, slope);
  // Few but long rows (a dense layer is one row of N pixels) are cut so that threads share them.
  const int64_t segment = pad || wo <= 4 * kMostPixels ? wo : kMostPixels, segments = (wo + segment - 1) / segment;
  const int64_t width = segment < wo ? segment : wo;
  const int64_t vectors = (outputs + kLanes - 1) / kLanes;
  Scratch<Block> blocks(vectors);
  const int block_count = plan_blocks(vectors, width, blocks.get());
  const int64_t padded_row = (x.shape[2] + 2 * pad) * c;
  const int64_t work = width * outputs * kh * kw * c, grain = 1 + 200000 / (work + 1);  // about 10 us of arithmetic

  parallel_for(out.shape[0] * ho * segments, grain, ctx, [&](int64_t begin, int64_t end) {
    Scratch<float> rows(pad ? kh * padded_row : 0);
    for (int64_t item = begin; item < end; ++item) {
      const int64_t row = item / segments, n = row / ho, y = row % ho;
      int64_t first = item % segments * segment;
      if (first + width > wo) first = wo - width;
      const int64_t top = y * stride - pad, ky0 = top < 0 ? -top : 0, ky1 = top + kh > h ? h - top : kh;
      const float* in = x.as<float>() + n * x.stride[0] + (top + ky0) * x.stride[1];
      Taps t;
      t.rows = ky1 > ky0 ? ky1 - ky0 : 0;
      t.row_step = x.stride[1];
      t.column_step = x.stride[2];
      if (pad && t.rows) {
        pad_rows(in, x, t.rows, pad, rows.get());
        in = rows.get();
        t.row_step = padded_row;
        t.column_step = c;
      }
      t.pixel_step = stride * t.column_step;
      const bool merged = t.column_step == c;
      t.columns = merged ? 1 : kw;
      t.run = merged ? kw * c : c;
      t.weight_step = packed.step;
      t.weight_row = kw * c * packed.step;
      const float* w = packed.weight + ky0 * t.weight_row;
      float* to = out.as<float>() + n * out.stride[0] + y * out.stride[1];
      for (int b = 0; b < block_count; ++b) {
        const Block& block = blocks[b];
        for (int i = 0; i < block.tiles; ++i) {
          int64_t px = i * block.pixels;
          if (px + block.pixels > width) px = width - block.pixels;
          px += first;
          block.run(t, in + px * t.pixel_step, w + block.first, packed.bias + block.first, packed.slope + block.first,
                    to + px * out.stride[2] + block.first, out.stride[2], outputs - block.first);
        }
      }
    }
  });
}

void max_pool2d(const Tensor& x, const Tensor& out, int kernel, int stride, const Context& ctx) {
  const int64_t h = x.shape[1], w = x.shape[2], c = x.shape[3], ho = out.shape[1], wo = out.shape[2];
  const int64_t grain = 1 + 20000 / (wo * c * kernel * kernel + 1);
  parallel_for(out.shape[0] * ho, grain, ctx, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t n = row / ho, top = row % ho * stride, bottom = top + kernel < h ? top + kernel : h;
      const float* in = x.as<float>() + n * x.stride[0];
      float* to = out.as<float>() + n * out.stride[0] + row % ho * out.stride[1];
      for (int64_t px = 0; px < wo; ++px, to += out.stride[2]) {
        const int64_t left = px * stride, right = left + kernel < w ? left + kernel : w;
        pool_window(in + top * x.stride[1] + left * x.stride[2], bottom - top, right - left, x.stride[1], x.stride[2],
                    c, to);
      }
    }
  });
}

}  // namespace PA_ISA
}  // namespace pyapdraw
