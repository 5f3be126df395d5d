#pragma once
// Box reduction of what is computed at each pixel to the working grid, and of some of it to the coarse grid at once.
// A block takes 32 x 8 cells, a thread each; their means meet in shared memory, where 4 x 4 of them make a coarse cell.
// A Job says what: fill(x, y, values), put(cell, means), and the coarse planes of the values coarse_value(c).
#include "cuda/cell_means.cuh"
#include "cuda/ink.cuh"

namespace pyapdraw {
namespace cuda {
namespace inking {
namespace {

constexpr int kCellsWide = 32, kCellsHigh = 8, kCellThreads = kCellsWide * kCellsHigh;

template <typename Job>
PA_KERNEL __launch_bounds__(kCellThreads) void ink_cells_kernel(Sheet s, Job job) {
  constexpr int K = Job::kValues, C = Job::kCoarse;
  __shared__ float cells[C > 0 ? C : 1][kCellsHigh][kCellsWide + 1];
  if (job.idle(s)) return;
  const int t = static_cast<int>(threadIdx.x), tx = t % kCellsWide, ty = t / kCellsWide;
  const int cx = static_cast<int>(blockIdx.x) * kCellsWide + tx, cy = static_cast<int>(blockIdx.y) * kCellsHigh + ty;
  if (cx < s.low_width && cy < s.low_height) {
    float mean[K];
    const auto fill = [&](int x, int y, float (&v)[K]) { job.fill(s, x, y, v); };
    cell_means<K>(fill, s.factor, s.width, s.height, cx, cy, mean);
    job.put(s, int64_t{cy} * s.low_width + cx, mean);
#pragma unroll
    for (int c = 0; c < C; ++c) cells[c][ty][tx] = mean[Job::coarse_value(c)];
  }
  if (C == 0) return;
  __syncthreads();
  constexpr int kWide = kCellsWide / 4, kHigh = kCellsHigh / 4;
  if (t >= C * kWide * kHigh) return;
  const int c = t / (kWide * kHigh), x = t % kWide, y = t / kWide % kHigh;
  const int gx = static_cast<int>(blockIdx.x) * kWide + x, gy = static_cast<int>(blockIdx.y) * kHigh + y;
  if (gx >= s.coarse_width || gy >= s.coarse_height) return;
  float mean[1];
  const auto fill = [&](int u, int v, float (&value)[1]) {
    value[0] = cells[c][v - gy * 4 + y * 4][u - gx * 4 + x * 4];
  };
  cell_means<1>(fill, 4, s.low_width, s.low_height, gx, gy, mean);
  s.coarse_plane(c)[int64_t{gy} * s.coarse_width + gx] = mean[0];
}

template <typename Job>
void reduce_cells(const Sheet& s, const Job& job, const Context& ctx) {
  launch(ink_cells_kernel<Job>, dim3(blocks(s.low_width, kCellsWide), blocks(s.low_height, kCellsHigh)),
         dim3(kCellThreads), 0, ctx, s, job);
}

}  // namespace
}  // namespace inking
}  // namespace cuda
}  // namespace pyapdraw
