#pragma once
// The column pass of the distance transforms: what a row pass has to know of every column to find, for any pixel and
// either colour (site or not), the nearest pixel of that colour in the column. One pass over the input serves the maps
// of both colours.
// For each column and each band of 32 rows three words are kept, 3/8 byte a pixel:
//   bits   bit j: row j of the band is a site (0 below the last row);
//   above  how the column goes on above the band: bit 0 the colour of the row there, and in the other bits the nearest
//          row above of the other colour, plus one (0: there is none);
//   below  the same downwards.
// Work: distance_transform_columns.cu.
// Limits: none up to sides of 2^30.
#include <cstdint>

#include "cuda/launch.cuh"
#include "cuda/workspace.cuh"

namespace pyapdraw {
namespace cuda {
namespace columns {

constexpr int kBand = 32;  // rows of a word
constexpr uint32_t kNone = 0xffffffffu;

// Scratch memory: planes of one word for each [image, band, column].
struct Columns {
  uint32_t* bits;
  uint32_t* above;
  uint32_t* below;
  int64_t images;
  int bands, height, width;
};

// One column at one band.
struct Column {
  uint32_t bits, above, below;
};

__device__ inline Column at(const Columns& c, int64_t image, int band, int x) {
  const int64_t i = (image * c.bands + band) * c.width + x;
  return {c.bits[i], c.above[i], c.below[i]};
}

__device__ inline uint32_t of_colour(uint32_t bits, uint32_t colour) { return colour ? bits : ~bits; }

// Rows from y up to the nearest pixel of the colour, y itself included; kNone without one.
__device__ inline uint32_t rows_up(const Column& c, int y, uint32_t colour) {
  const int j = y % kBand, begin = y - j;
  const uint32_t here = of_colour(c.bits, colour) << (kBand - 1 - j);
  if (here) return static_cast<uint32_t>(__clz(static_cast<int>(here)));
  if (begin == 0) return kNone;
  if ((c.above & 1) == colour) return static_cast<uint32_t>(j + 1);
  const int row = static_cast<int>(c.above >> 1) - 1;
  return row < 0 ? kNone : static_cast<uint32_t>(y - row);
}

// The same downwards.
__device__ inline uint32_t rows_down(const Column& c, int y, int height, uint32_t colour) {
  const int j = y % kBand, end = y - j + kBand;
  uint32_t here = of_colour(c.bits, colour) >> j;
  if (end > height) here &= (1u << (height - y)) - 1;
  if (here) return static_cast<uint32_t>(__ffs(static_cast<int>(here)) - 1);
  if (end >= height) return kNone;
  if ((c.below & 1) == colour) return static_cast<uint32_t>(end - y);
  const int row = static_cast<int>(c.below >> 1) - 1;
  return row < 0 ? kNone : static_cast<uint32_t>(row - y);
}

__device__ inline uint32_t nearest_row(const Column& c, int y, int height, uint32_t colour) {
  return min(rows_up(c, y, colour), rows_down(c, y, height, colour));
}

// A batch of images as kernels take it: [outer..., rows, columns], outer axes filled up to three, strides in elements.
struct Images {
  void* data;
  int64_t size[kMaxDims - 2], stride[kMaxDims - 2], row, column;

  explicit Images(const Tensor& t) : data(t.data), row(t.stride_back(2)), column(t.stride_back(1)) {
    for (int i = 0; i < kMaxDims - 2; ++i) {
      const bool there = i < t.ndim - 2;
      size[i] = there ? t.size_back(i + 3) : 1;
      stride[i] = there ? t.stride_back(i + 3) : 0;
    }
  }

  template <typename T>
  __device__ T* image(int64_t index) const {
    int64_t offset = 0;
#pragma unroll
    for (int i = 0; i < kMaxDims - 2; ++i) {
      if (index == 0) break;  // no divisions for what is left
      offset += index % size[i] * stride[i];
      index /= size[i];
    }
    return static_cast<T*>(data) + offset;
  }
};

// The scratch memory for the columns of all images.
inline Columns take(const Tensor& sites, Workspace* scratch) {
  Columns c{};
  c.height = static_cast<int>(sites.size_back(2));
  c.width = static_cast<int>(sites.size_back(1));
  c.bands = (c.height + kBand - 1) / kBand;
  c.images = sites.numel() / sites.size_back(2) / sites.size_back(1);
  const int64_t words = c.images * c.bands * c.width;
  c.bits = scratch->take<uint32_t>(words);
  c.above = scratch->take<uint32_t>(words);
  c.below = scratch->take<uint32_t>(words);
  return c;
}

// Fills it: one launch.
void run(const Tensor& sites, const Columns& columns, const Context& ctx);

}  // namespace columns
}  // namespace cuda
}  // namespace pyapdraw
