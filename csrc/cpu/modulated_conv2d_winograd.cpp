// The float32 3x3 modulated convolution without resampling, by minimal filtering F(2x2, 3x3) [Winograd 1980; Lavin and
// Gray, Fast Algorithms for Convolutional Neural Networks, 2016]: 2.25 times fewer multiplications than the direct
// form. Method: as in modulated_conv2d.cpp work is blocks of output channels times slices of rows, here rows of 2x2
// output tiles. A block transforms its weights once into 16 matrices [I][lanes]. Then, for a few tile rows at a time:
// 4x4 input patches (styles already in) become 16 matrices [tiles][I], the 16 products are taken with the tile of
// modulated_conv2d_tile.h, and the inverse transform writes rows of sums, which are finished as everywhere.
// Numerics: float32; the transforms have small integer and half coefficients, the error against float64 stays within a
// few 1e-6 of the largest output. A tile's arithmetic does not depend on slices or threads, so neither do results.
#include "cpu/modulated_conv2d_winograd.h"

#include "cpu/modulated_conv2d_finish.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"

namespace pyapdraw {
namespace PA_ISA {
namespace modconv {
namespace {

constexpr int kPoints = 16;
constexpr int64_t kPatchFloats = 12288;  // of one of the 16 matrices: all of them together fit a second-level cache
constexpr int64_t kSliceTiles = 1024;

struct Sizes {
  int64_t channels, vectors, lanes, blocks, height, width;
  int64_t tile_rows, tile_columns, row_w;  // of one sample; row_w: pixels of a padded input row
  int64_t chunk_rows, chunk_columns;       // tiles that are transformed together

  explicit Sizes(const Call& c) {
    channels = c.weight.shape[1];
    vectors = c.weight.shape[0] > 2 * kLanes ? 4 : c.weight.shape[0] > kLanes ? 2 : 1;
    lanes = vectors * kLanes;
    blocks = divide_up(c.weight.shape[0], lanes);
    height = c.out.shape[2], width = c.out.shape[3];
    tile_rows = divide_up(height, 2), tile_columns = divide_up(width, 2);
    row_w = 2 * tile_columns + 2;
    const int64_t most = kPatchFloats / channels > 12 ? kPatchFloats / channels : 12;
    chunk_columns = tile_columns < most ? tile_columns : most;
    chunk_rows = most / tile_columns < 1 ? 1 : most / tile_columns;
    if (chunk_rows > tile_rows) chunk_rows = tile_rows;
  }
  int64_t chunk() const { return chunk_rows * chunk_columns; }
  int64_t slots() const { return 2 * chunk_rows + 2; }
};

// G g G^T for `lanes` output channels of one input channel: part [9][lanes] -> u, whose 16 values lie `step` apart.
void transform_weights(const float* part, int64_t lanes, float* u, int64_t step) {
  for (int64_t o = 0; o < lanes; o += kLanes) {
    Vec half[4][3];
    for (int x = 0; x < 3; ++x) {
      const Vec a = load(part + x * lanes + o), b = load(part + (3 + x) * lanes + o),
                c = load(part + (6 + x) * lanes + o);
      half[0][x] = a, half[1][x] = 0.5f * (a + b + c), half[2][x] = 0.5f * (a - b + c), half[3][x] = c;
    }
    for (int y = 0; y < 4; ++y) {
      const Vec a = half[y][0], b = half[y][1], c = half[y][2];
      float* to = u + 4 * y * step + o;
      store(to, a);
      store(to + step, 0.5f * (a + b + c));
      store(to + 2 * step, 0.5f * (a - b + c));
      store(to + 3 * step, c);
    }
  }
}

// B^T d B over all channels of one 4x4 patch; rows[y] points to its first pixel.
void transform_patch(const float* const rows[4], int64_t channels, float* v, int64_t step) {
  int64_t i = 0;
  for (; i + kLanes <= channels; i += kLanes) {
    Vec t[4][4];
#pragma GCC unroll 4
    for (int x = 0; x < 4; ++x) {
      const Vec a = load(rows[0] + x * channels + i), b = load(rows[1] + x * channels + i);
      const Vec c = load(rows[2] + x * channels + i), d = load(rows[3] + x * channels + i);
      t[0][x] = a - c, t[1][x] = b + c, t[2][x] = c - b, t[3][x] = b - d;
    }
#pragma GCC unroll 4
    for (int y = 0; y < 4; ++y) {
      float* to = v + 4 * y * step + i;
      store(to, t[y][0] - t[y][2]);
      store(to + step, t[y][1] + t[y][2]);
      store(to + 2 * step, t[y][2] - t[y][1]);
      store(to + 3 * step, t[y][1] - t[y][3]);
    }
  }
  for (; i < channels; ++i) {
    float t[4][4];
    for (int x = 0; x < 4; ++x) {
      const float a = rows[0][x * channels + i], b = rows[1][x * channels + i];
      const float c = rows[2][x * channels + i], d = rows[3][x * channels + i];
      t[0][x] = a - c, t[1][x] = b + c, t[2][x] = c - b, t[3][x] = b - d;
    }
    for (int y = 0; y < 4; ++y) {
      float* to = v + 4 * y * step + i;
      to[0] = t[y][0] - t[y][2], to[step] = t[y][1] + t[y][2];
      to[2 * step] = t[y][2] - t[y][1], to[3 * step] = t[y][1] - t[y][3];
    }
  }
}

// A^T m A: 16 products -> the 2x2 outputs, rows `row` floats apart.
void transform_back(const float* m, int64_t step, int64_t lanes, float* out, int64_t row) {
  for (int64_t o = 0; o < lanes; o += kLanes) {
    Vec t[2][4];
#pragma GCC unroll 4
    for (int x = 0; x < 4; ++x) {
      const Vec a = load(m + x * step + o), b = load(m + (4 + x) * step + o);
      const Vec c = load(m + (8 + x) * step + o), d = load(m + (12 + x) * step + o);
      t[0][x] = a + b + c, t[1][x] = b - c - d;
    }
#pragma GCC unroll 2
    for (int y = 0; y < 2; ++y) {
      store(out + y * row + o, t[y][0] + t[y][1] + t[y][2]);
      store(out + y * row + lanes + o, t[y][1] - t[y][2] - t[y][3]);
    }
  }
}

class Sweep {
 public:
  Sweep(const Call& call, const Sizes& sizes) : c_(call), s_(sizes), memory_(carve(nullptr)) { carve(memory_.get()); }

  void block(int64_t index) {
    first_ = index * s_.lanes;
    const int64_t step = s_.channels * s_.lanes;
    for (int64_t c = 0; c < s_.channels; c += kPackChannels) {
      const int64_t count = s_.channels - c < kPackChannels ? s_.channels - c : kPackChannels;
      gather(c_.weight, first_, s_.lanes, c, count, part_);
      if (c_.plan.options.demodulate) sum_squares(part_, count, 9, s_.lanes, squares_ + c * s_.lanes);
      for (int64_t i = 0; i < count; ++i)
        transform_weights(part_ + i * 9 * s_.lanes, s_.lanes, weight_ + (c + i) * s_.lanes, step);
    }
    finish_ = begin_block(c_, first_, s_.lanes, scale_, bias_);
  }

  // Tile rows [begin, end) of sample n.
  void rows(int64_t n, int64_t begin, int64_t end) {
    begin_sample(c_, n, styles_, squares_, s_.lanes, scale_);
    next_row_ = 2 * begin - 1;
    for (int64_t top = begin; top < end; top += s_.chunk_rows) {
      const int64_t count = end - top < s_.chunk_rows ? end - top : s_.chunk_rows;
      for (; next_row_ < 2 * (top + count) + 1; ++next_row_) scale_into(n, next_row_);
      for (int64_t left = 0; left < s_.tile_columns; left += s_.chunk_columns) chunk(n, top, count, left);
    }
  }

 private:
  float* input_row(int64_t y) { return rows_ + (y + 1) % s_.slots() * s_.row_w * s_.channels; }

  int64_t carve(char* memory) {
    Pieces pieces(memory);
    weight_ = pieces.take<float>(kPoints * s_.channels * s_.lanes);
    part_ = pieces.take<float>(kPackFloats);
    squares_ = pieces.take<float>(s_.channels * s_.lanes);
    rows_ = pieces.take<float>(s_.slots() * s_.row_w * s_.channels);
    patches_ = pieces.take<float>(kPoints * s_.chunk() * s_.channels);
    products_ = pieces.take<float>(kPoints * s_.chunk() * s_.lanes);
    sums_ = pieces.take<float>(4 * s_.chunk() * s_.lanes);
    styles_ = pieces.take<float>(s_.channels + 16);
    scale_ = pieces.take<float>(s_.lanes);
    bias_ = pieces.take<float>(s_.lanes);
    return pieces.used();
  }

  void scale_into(int64_t n, int64_t y) {
    float* to = input_row(y);
    const Tensor& x = c_.x;
    const int64_t used = y >= 0 && y < s_.height ? s_.width : 0;
    if (used > 0)
      scale_row(x.as<float>() + n * x.stride[0] + y * x.stride[2], x.stride[3], x.stride[1], used, styles_, s_.channels,
                to + s_.channels);
    std::memset(to, 0, static_cast<size_t>(s_.channels) * sizeof(float));
    std::memset(to + (1 + used) * s_.channels, 0,
                static_cast<size_t>((s_.row_w - 1 - used) * s_.channels) * sizeof(float));
  }

  // `count` tile rows from `top`, one run of columns from `left`.
  void chunk(int64_t n, int64_t top, int64_t count, int64_t left) {
    const int64_t columns = s_.tile_columns - left < s_.chunk_columns ? s_.tile_columns - left : s_.chunk_columns;
    const int64_t tiles = count * columns, step = tiles * s_.channels, channels = s_.channels;
    for (int64_t r = 0; r < count; ++r)
      for (int64_t c = 0; c < columns; ++c) {
        const float* from[4];
        for (int y = 0; y < 4; ++y) from[y] = input_row(2 * (top + r) - 1 + y) + 2 * (left + c) * channels;
        transform_patch(from, channels, patches_ + (r * columns + c) * channels, step);
      }
    Taps taps;
    taps.count = 1, taps.x[0] = taps.w[0] = 0, taps.units = taps.step = channels;
    for (int p = 0; p < kPoints; ++p)
      sum_row(taps, static_cast<int>(s_.vectors), tiles, patches_ + p * step, weight_ + p * channels * s_.lanes,
              products_ + p * tiles * s_.lanes, s_.lanes);
    const int64_t row = 2 * columns * s_.lanes;
    for (int64_t r = 0; r < count; ++r) {
      for (int64_t c = 0; c < columns; ++c)
        transform_back(products_ + (r * columns + c) * s_.lanes, tiles * s_.lanes, s_.lanes, sums_ + 2 * c * s_.lanes,
                       row);
      for (int64_t y = 2 * (top + r); y < 2 * (top + r) + 2 && y < s_.height; ++y) {
        const int64_t x = 2 * left, rest = s_.width - x, pixels = rest < 2 * columns ? rest : 2 * columns;
        finish_at<float, float>(c_, finish_, Place{n, first_, y, x}, sums_ + y % 2 * row, pixels);
      }
    }
  }

  const Call& c_;
  const Sizes& s_;
  float *weight_, *part_, *squares_, *rows_, *patches_, *products_, *sums_, *styles_, *scale_, *bias_;
  Scratch<char, Origin::kept> memory_;
  Finish finish_{};
  int64_t first_ = 0, next_row_ = 0;
};

}  // namespace

bool winograd_pays(const Call& c) {
  const ModulatedConvOptions& o = c.plan.options;
  const int64_t tiles = c.x.shape[0] * divide_up(c.out.shape[2], 2) * divide_up(c.out.shape[3], 2);
  return c.x.dtype == DType::f32 && c.plan.kernel == 3 && o.up == 1 && o.down == 1 && c.weight.shape[1] >= 32 &&
         c.weight.shape[0] >= 16 && tiles >= 64;
}

void winograd(const Call& call, const Context& ctx) {
  const Sizes s(call);
  const int64_t rows = call.x.shape[0] * s.tile_rows, threads = ctx.threads > 0 ? ctx.threads : default_threads();
  int64_t slices = rows * s.tile_columns / kSliceTiles;
  const int64_t wanted = divide_up(threads * 4, s.blocks);
  if (slices > wanted) slices = wanted;
  if (slices > rows) slices = rows;
  if (slices < 1 || threads == 1) slices = 1;
  parallel_for(s.blocks * slices, 1, ctx, [&](int64_t begin, int64_t end) {
    Sweep sweep(call, s);
    for (int64_t item = begin; item < end; ++item) {
      const int64_t slice = item % slices, last = (slice + 1) * rows / slices;
      sweep.block(item / slices);
      for (int64_t row = slice * rows / slices; row < last;) {
        const int64_t rest = s.tile_rows - row % s.tile_rows, count = last - row < rest ? last - row : rest;
        sweep.rows(row / s.tile_rows, row % s.tile_rows, row % s.tile_rows + count);
        row += count;
      }
    }
  });
}

}  // namespace modconv
}  // namespace PA_ISA
}  // namespace pyapdraw
