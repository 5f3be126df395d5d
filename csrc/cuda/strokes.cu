// The strokes of a pen on a page: the definition of csrc/cpu/strokes.cpp. Method: a block a tile of 32 x 8 pixels, a
// thread a pixel; the block goes through all points, 256 at a time in shared memory (4 KB), and keeps the most that any
// stroke covers. Numerics: as on the CPU.
#include "core/strokes_math.h"
#include "cuda/kernels.h"
#include "cuda/launch.cuh"

namespace pyapdraw {
namespace cuda {

namespace {

constexpr int kWide = 32, kHigh = 8, kThreads = kWide * kHigh;

__device__ inline pen::Point point_at(const float* p, bool joined) { return {p[0], p[1], p[2], joined}; }

__device__ inline bool touches(const pen::Point& a, const pen::Point& b, float x0, float y0) {
  const float reach = pen::reach(a, b);
  return fminf(a.x, b.x) - reach < x0 + kWide && fmaxf(a.x, b.x) + reach > x0 - 1.f &&
         fminf(a.y, b.y) - reach < y0 + kHigh && fmaxf(a.y, b.y) + reach > y0 - 1.f &&  // false for NaN
         fabsf(a.x + b.x + a.y + b.y + a.width + b.width) < 3e38f;
}

PA_KERNEL __launch_bounds__(kThreads) void strokes_kernel(const float* points, int64_t count, Tensor page) {
  __shared__ float part[kThreads + 1][4];
  const int t = static_cast<int>(threadIdx.x);
  const int64_t left = int64_t{blockIdx.x} * kWide, top = int64_t{blockIdx.y} * kHigh;
  const int64_t x = left + t % kWide, y = top + t / kWide;
  float most = 0.f;
  for (int64_t from = 0; from < count; from += kThreads) {
    __syncthreads();
    for (int k = t; k < 4 * (kThreads + 1); k += kThreads) {  // the point before the first, too
      const int64_t i = 4 * (from - 1) + k;
      part[k / 4][k % 4] = i >= 0 && i < 4 * count ? points[i] : 0.f;
    }
    __syncthreads();
    const int here = static_cast<int>(count - from < kThreads ? count - from : kThreads);
    for (int k = 1; k <= here; ++k) {
      const bool joined = part[k][3] != 0.f && from + k > 1;
      const pen::Point b = point_at(part[k], joined), a = joined ? point_at(part[k - 1], false) : b;
      if (!touches(a, b, static_cast<float>(left), static_cast<float>(top))) continue;
      most = fmaxf(most, pen::cover(a, b, static_cast<float>(x), static_cast<float>(y)));
    }
  }
  if (x >= page.shape[1] || y >= page.shape[0]) return;
  uint8_t* pixel = page.as<uint8_t>() + y * page.stride[0] + x * page.stride[1];
  const int paper = pen::paper(most);
  if (paper < *pixel) *pixel = static_cast<uint8_t>(paper);
}

}  // namespace

void strokes(const Tensor& points, const Tensor& page, const Context& ctx) {
  launch(strokes_kernel, dim3(blocks(page.shape[1], kWide), blocks(page.shape[0], kHigh)), dim3(kThreads), 0, ctx,
         points.as<float>(), points.shape[0], page);
}

}  // namespace cuda
}  // namespace pyapdraw
