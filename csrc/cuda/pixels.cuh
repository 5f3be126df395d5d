#pragma once
// Images of three interleaved bytes a pixel, four pixels at a time: twelve bytes in three accesses where rows begin at
// multiples of four. And the grid that image kernels run on: blocks of 32 x 8 threads, N columns a thread.
#include "cuda/launch.cuh"
#include "cuda/pack.cuh"

namespace pyapdraw {
namespace cuda {

constexpr int kImageColumns = 32, kImageRows = 8, kImageThreads = kImageColumns * kImageRows;

// Rows beyond the grid are the loop's: for (row = first_row(); row < height; row += row_step()).
inline dim3 image_grid(int64_t height, int64_t width, int n) {
  return dim3(blocks(width, kImageColumns * n), blocks(height, kImageRows, 65535));
}
inline dim3 image_block() { return dim3(kImageColumns, kImageRows); }
template <int N>
__device__ inline int64_t first_column() {
  return (static_cast<int64_t>(blockIdx.x) * kImageColumns + threadIdx.x) * N;
}
__device__ inline int64_t first_row() { return static_cast<int64_t>(blockIdx.y) * kImageRows + threadIdx.y; }
__device__ inline int64_t row_step() { return static_cast<int64_t>(gridDim.y) * kImageRows; }
// How many of the N columns from x on are there.
template <int N>
__device__ inline int columns_left(int64_t x, int64_t width) {
  return width - x < N ? static_cast<int>(width - x) : N;
}

// Whether rows of [H,W,3] are packed bytes in whole words.
inline bool words(const Tensor& t) {
  return t.shape[2] == 3 && t.stride[2] == 1 && (t.stride[1] == 3 || t.shape[1] == 1) &&
         reinterpret_cast<uintptr_t>(t.data) % 4 == 0 && (t.stride[0] % 4 == 0 || t.shape[0] == 1);
}

// N pixels of a row from x on, of which `count` are there; N = 4 only where words() says so.
template <int N>
__device__ inline void load_pixels(const Tensor& t, int64_t row, int64_t x, int count, uint8_t (&v)[3 * N]) {
  const uint8_t* from = t.as<uint8_t>() + row * t.stride[0];
  if (N == 4 && count == 4) {
    for (int i = 0; i < 3; ++i) {
      const Pack<uint8_t, 4> word = load_pack<4>(from + 3 * x + 4 * i);
      for (int k = 0; k < 4; ++k) v[(4 * i + k) % (3 * N)] = word.v[k];
    }
    return;
  }
  for (int k = 0; k < N; ++k)
    for (int c = 0; c < 3; ++c)
      if (k < count) v[3 * k + c] = from[(x + k) * t.stride[1] + c * t.stride[2]];
}
template <int N>
__device__ inline void store_pixels(const Tensor& t, int64_t row, int64_t x, int count, const uint8_t (&v)[3 * N]) {
  uint8_t* to = t.as<uint8_t>() + row * t.stride[0];
  if (N == 4 && count == 4) {
    for (int i = 0; i < 3; ++i) {
      Pack<uint8_t, 4> word;
      for (int k = 0; k < 4; ++k) word.v[k] = v[(4 * i + k) % (3 * N)];
      store_pack(word, to + 3 * x + 4 * i);
    }
    return;
  }
  for (int k = 0; k < N; ++k)
    for (int c = 0; c < 3; ++c)
      if (k < count) to[(x + k) * t.stride[1] + c * t.stride[2]] = v[3 * k + c];
}

}  // namespace cuda
}  // namespace pyapdraw
