// Luma minus its mean around, in standard deviations there:
//   out = (L - m) / sqrt(max(q - m^2, 0) + flat^2),   L = (0.299 R + 0.587 G + 0.114 B) / 127.5 - 1,
// with m and q the means of L and L^2 over square cells, bilinear between their centres (the outer cells reach to the
// border).
//
// Method: one pass over rows of cells keeps the luma and sums it by column, then by cell; a second one over rows of
// pixels blends two rows of cells, then neighbouring cells by a table of where each column lies.
// Numerics: float32 sums of at most a cell. The order of a sum is rows, then columns; threads share no sum.
#include "core/local_contrast_math.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"

namespace pyapdraw {
namespace PA_ISA {
namespace {

// Where each of `count` pixels lies between cells.
void between_cells(int64_t count, int64_t cell, int32_t* before, float* share) {
  for (int64_t i = 0; i < count; ++i)
    before[i] = static_cast<int32_t>(guided::cell_below(i, count, count / cell, &share[i]));
}

void luma_row(const Tensor& image, int64_t y, float* luma) {
  const int64_t width = image.shape[1], step = image.stride[1], channel = image.stride[2];
  const uint8_t* p = image.as<uint8_t>() + y * image.stride[0];
  if (step == 3 && channel == 1)
    for (int64_t x = 0; x < width; ++x) luma[x] = contrast::luma(p[3 * x], p[3 * x + 1], p[3 * x + 2]);
  else
    for (int64_t x = 0; x < width; ++x, p += step) luma[x] = contrast::luma(p[0], p[channel], p[2 * channel]);
}

}  // namespace

void local_contrast(const Tensor& image, const Tensor& out, int cell, float flat, const Context& ctx) {
  const int64_t height = image.shape[0], width = image.shape[1], rows = height / cell, columns = width / cell;
  Scratch<float> luma(height * width), means(rows * (columns + 1)), squares(rows * (columns + 1));
  parallel_for(rows, 1 + 32 / cell, ctx, [&](int64_t begin, int64_t end) {
    Scratch<float> sum(width), square(width);
    for (int64_t r = begin; r < end; ++r) {
      for (int64_t x = 0; x < width; ++x) sum[x] = square[x] = 0;
      for (int64_t y = r * cell; y < (r + 1) * cell; ++y) {
        float* line = &luma[y * width];
        luma_row(image, y, line);
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
    Scratch<float> m(columns + 1), q(columns + 1), result(width);
    for (int64_t y = begin; y < end; ++y) {
      const int64_t first = above[y] * (columns + 1), second = above[y] + 1 < rows ? first + columns + 1 : first;
      for (int64_t c = 0; c <= columns; ++c) {
        m[c] = guided::mix(means[first + c], means[second + c], below[y]);
        q[c] = guided::mix(squares[first + c], squares[second + c], below[y]);
      }
      const float* line = &luma[y * width];
      for (int64_t x = 0; x < width; ++x) {
        const int32_t c = left[x];
        const float mean = guided::mix(m[c], m[c + 1], right[x]), square = guided::mix(q[c], q[c + 1], right[x]);
        result[x] = contrast::against(line[x], mean, square, flat);
      }
      float* to = out.as<float>() + y * out.stride[0];
      for (int64_t x = 0; x < width; ++x) to[x * out.stride[1]] = result[x];
    }
  });
}

}  // namespace PA_ISA
}  // namespace pyapdraw
