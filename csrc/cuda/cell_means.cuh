#pragma once
// Box reduction to a coarser grid, one cell.
#include "cuda/launch.cuh"

namespace pyapdraw {
namespace cuda {
namespace {

// Means of K values over the pixels of one cell, in the order of the CPU's reduce_rows. fill(x, y, values).
template <int K, typename Fill>
__device__ void cell_means(const Fill& fill, int factor, int width, int height, int cx, int cy, float (&mean)[K]) {
  const int x0 = cx * factor, x1 = min(x0 + factor, width), y0 = cy * factor, y1 = min(y0 + factor, height);
  for (int k = 0; k < K; ++k) mean[k] = 0.f;
  for (int y = y0; y < y1; ++y) {
    float a[K], b[K];
    if (factor == 2 && x1 - x0 == 2) {
      fill(x0, y, a);
      fill(x0 + 1, y, b);
      for (int k = 0; k < K; ++k) mean[k] += a[k] + b[k];
    } else {
      for (int x = x0; x < x1; ++x) {
        fill(x, y, a);
        for (int k = 0; k < K; ++k) mean[k] += a[k];
      }
    }
  }
  const float share = 1.f / static_cast<float>((y1 - y0) * factor);
  const float cut = static_cast<float>(factor) / static_cast<float>(x1 - x0);
  for (int k = 0; k < K; ++k) mean[k] = x1 - x0 == factor ? mean[k] * share : mean[k] * share * cut;
}

}  // namespace
}  // namespace cuda
}  // namespace pyapdraw
