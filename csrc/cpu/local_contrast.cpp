// Luma minus its mean around, in standard deviations there:
//   out = (L - m) / sqrt(max(q - m^2, 0) + flat^2),   L = (0.299 R + 0.587 G + 0.114 B) / 127.5 - 1,
// with m and q the means of L and L^2 over square cells, bilinear between their centres (the outer cells reach to the
// border).
//
// Method: one pass over rows of cells sums the luma by column, then by cell; a second one over rows of pixels computes
// it again, which is cheaper than to keep it, and blends two rows of cells, then neighbouring cells by a table of where
// each column lies. Cells of a vector of pixels are one vector, taken apart by a permutation.
// Numerics: float32 sums of at most a cell. The order of a sum is rows, then columns; threads share no sum.
#include "core/local_contrast_math.h"
#include "cpu/kernels.h"
#include "cpu/lanes.h"
#include "cpu/parallel.h"
#include "cpu/rows.h"
#include "cpu/scratch.h"

namespace pyapdraw {
namespace PA_ISA {
namespace {

// Where each of `count` pixels lies between cells.
void between_cells(int64_t count, int64_t cell, int32_t* before, float* share) {
  for (int64_t i = 0; i < count; ++i)
    before[i] = static_cast<int32_t>(guided::cell_below(i, count, count / cell, &share[i]));
}

// planar: 3 bytes a pixel.
void luma_row(const Tensor& image, int64_t y, uint8_t* planar, float* luma) {
  const int64_t width = image.shape[1];
  uint8_t *r = planar, *g = planar + width, *b = planar + 2 * width;
  split_row(image.as<uint8_t>() + y * image.stride[0], image.stride[1], image.stride[2], r, g, b, width);
  for (int64_t x = 0; x < width; ++x) luma[x] = contrast::luma(r[x], g[x], b[x]);
}

// cells[left[x]] and the one after it, blended. A vector's worth of cells can be read from any of them.
void blend_columns(const float* cells, const int32_t* left, const float* right, int64_t cell, int64_t width,
                   float* out) {
  int64_t x = 0;
  if (cell > 1)  // so that a vector of pixels lies between fewer cells than it has elements
    for (; x + lanes::kCount <= width; x += lanes::kCount) {
      const auto first = reinterpret_cast<const lanes::Bits*>(left + x);
      const lanes::Vec table = lanes::load(cells + left[x]);
      const lanes::Bits at = *first - static_cast<uint32_t>(left[x]);
      const lanes::Vec a = lanes::pick(table, at), b = lanes::pick(table, at + 1), share = lanes::load(right + x);
      lanes::store(out + x, a + (b - a) * share);
    }
  for (; x < width; ++x) out[x] = guided::mix(cells[left[x]], cells[left[x] + 1], right[x]);
}

}  // namespace

void local_contrast(const Tensor& image, const Tensor& out, int cell, float flat, const Context& ctx) {
  const int64_t height = image.shape[0], width = image.shape[1], rows = height / cell, columns = width / cell;
  Scratch<float> means(rows * (columns + 1)), squares(rows * (columns + 1));
  parallel_for(rows, 1 + 32 / cell, ctx, [&](int64_t begin, int64_t end) {
    Scratch<float> sum(width), square(width), luma(width);
    Scratch<uint8_t> planar(3 * width);
    float* line = luma.get();
    for (int64_t r = begin; r < end; ++r) {
      for (int64_t x = 0; x < width; ++x) sum[x] = square[x] = 0;
      for (int64_t y = r * cell; y < (r + 1) * cell; ++y) {
        luma_row(image, y, planar.get(), line);
        for (int64_t x = 0; x < width; ++x) {
          sum[x] += line[x];
          square[x] += line[x] * line[x];
        }
      }
      const float share = 1.0f / (static_cast<float>(cell) * static_cast<float>(cell));
      float *m = &means[r * (columns + 1)], *q = &squares[r * (columns + 1)];
      for (int64_t c = 0; c < columns; ++c) {
        float a = 0, b = 0;
        for (int64_t x = c * cell; x < (c + 1) * cell; ++x) {
          a += sum[x];
          b += square[x];
        }
        m[c] = a * share;
        q[c] = b * share;
      }
      m[columns] = m[columns - 1];  // read, with no weight, beyond the last centre
      q[columns] = q[columns - 1];
    }
  });
  Scratch<int32_t> left(width), above(height);
  Scratch<float> right(width), below(height);
  between_cells(width, cell, left.get(), right.get());
  between_cells(height, cell, above.get(), below.get());
  parallel_for(height, 32, ctx, [&](int64_t begin, int64_t end) {
    Scratch<float> m(columns + 1 + lanes::kCount), q(columns + 1 + lanes::kCount);
    Scratch<float> luma(width), mean(width), square(width), result(width);
    Scratch<uint8_t> planar(3 * width);
    for (int64_t c = columns + 1; c <= columns + lanes::kCount; ++c) m[c] = q[c] = 0;
    for (int64_t y = begin; y < end; ++y) {
      const int64_t first = above[y] * (columns + 1), second = above[y] + 1 < rows ? first + columns + 1 : first;
      for (int64_t c = 0; c <= columns; ++c) {
        m[c] = guided::mix(means[first + c], means[second + c], below[y]);
        q[c] = guided::mix(squares[first + c], squares[second + c], below[y]);
      }
      luma_row(image, y, planar.get(), luma.get());
      blend_columns(m.get(), left.get(), right.get(), cell, width, mean.get());
      blend_columns(q.get(), left.get(), right.get(), cell, width, square.get());
      float* to = out.as<float>() + y * out.stride[0];
      float* row = out.stride[1] == 1 ? to : result.get();
      for (int64_t x = 0; x < width; ++x) row[x] = contrast::against(luma[x], mean[x], square[x], flat);
      spread_row(row, width, to, out.stride[1]);
    }
  });
}

}  // namespace PA_ISA
}  // namespace pyapdraw
