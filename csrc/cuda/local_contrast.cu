// Luma against its surroundings: the definition of csrc/cpu/local_contrast.cpp.
// Method: two passes. 1. cells: eight lanes a cell, every eighth column of its pixels each. 2. apply: a thread a pixel.
// Workspace: two floats a cell. Numerics: core/local_contrast_math.h; float32, sums of a cell in another order than
// on the CPU. Limits: none; memory alone bounds it at full frames.
#include "core/local_contrast_math.h"
#include "cuda/kernels.h"
#include "cuda/launch.cuh"
#include "cuda/workspace.cuh"

namespace pyapdraw {
namespace cuda {

namespace {

constexpr int kThreads = 128, kCellLanes = 8;

__device__ float luma_at(const Tensor& image, int64_t y, int64_t x) {
  const uint8_t* p = image.as<uint8_t>() + y * image.stride[0] + x * image.stride[1];
  return contrast::luma(p[0], p[image.stride[2]], p[2 * image.stride[2]]);
}

PA_KERNEL __launch_bounds__(kThreads) void local_contrast_cells_kernel(Tensor image, int cell, int64_t rows,
                                                                       int64_t columns, float2* moments) {
  const int64_t index = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) / kCellLanes;
  const int lane = threadIdx.x % kCellLanes;
  const int64_t at = index < rows * columns ? index : rows * columns - 1;
  const int64_t y0 = at / columns * cell, x0 = at % columns * cell;
  float sum = 0, square = 0;
  for (int64_t x = x0 + lane; x < x0 + cell; x += kCellLanes)
    for (int64_t y = y0; y < y0 + cell; ++y) {
      const float value = luma_at(image, y, x);
      sum += value;
      square += value * value;
    }
  for (int d = kCellLanes / 2; d > 0; d /= 2) {
    sum += __shfl_xor_sync(0xffffffffu, sum, d);
    square += __shfl_xor_sync(0xffffffffu, square, d);
  }
  const float share = 1.0f / (static_cast<float>(cell) * static_cast<float>(cell));
  if (lane == 0 && index < rows * columns) moments[index] = make_float2(sum * share, square * share);
}

PA_KERNEL __launch_bounds__(kThreads) void local_contrast_apply_kernel(Tensor image, const float2* moments,
                                                                       int64_t rows, int64_t columns, float flat,
                                                                       Tensor out) {
  const int64_t pixel = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (pixel >= out.shape[0] * out.shape[1]) return;
  const int64_t y = pixel / out.shape[1], x = pixel % out.shape[1];
  float below, right;
  const int64_t i = guided::cell_below(y, out.shape[0], rows, &below);
  const int64_t j = guided::cell_below(x, out.shape[1], columns, &right), next = j + 1 < columns ? j + 1 : j;
  const float2* upper = moments + i * columns;
  const float2* lower = i + 1 < rows ? upper + columns : upper;
  const float mean =
      guided::mix(guided::mix(upper[j].x, lower[j].x, below), guided::mix(upper[next].x, lower[next].x, below), right);
  const float square =
      guided::mix(guided::mix(upper[j].y, lower[j].y, below), guided::mix(upper[next].y, lower[next].y, below), right);
  out.as<float>()[y * out.stride[0] + x * out.stride[1]] = contrast::against(luma_at(image, y, x), mean, square, flat);
}

}  // namespace

void local_contrast(const Tensor& image, const Tensor& out, int cell, float flat, const Context& ctx) {
  const int64_t rows = image.shape[0] / cell, columns = image.shape[1] / cell;
  Workspace scratch(ctx);
  float2* moments = scratch.take<float2>(rows * columns);
  if (scratch.measured("local_contrast")) return;
  const dim3 threads(kThreads);
  launch(local_contrast_cells_kernel, dim3(blocks(rows * columns * kCellLanes, kThreads)), threads, 0, ctx, image, cell,
         rows, columns, moments);
  launch(local_contrast_apply_kernel, dim3(blocks(out.shape[0] * out.shape[1], kThreads)), threads, 0, ctx, image,
         moments, rows, columns, flat, out);
}

}  // namespace cuda
}  // namespace pyapdraw
