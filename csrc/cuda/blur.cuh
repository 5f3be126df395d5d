#pragma once
// Separable Gaussians of planes that are computed where they are read and used where they are ready: a kernel of
// several planes takes its values from source.at(k, x, y) and hands K smoothed ones to sink.put(x, y, values). Edges
// repeat. Functions for pictures of a stack may look at blockIdx.z.
//
// Method: a block of 256 threads computes a tile of T x T pixels. Its surroundings of one plane come to shared memory;
// a thread sums four neighbours of a row, then T * T / 256 of a column, so that each value read from shared memory is
// used in four sums. Wider windows than kTileRadius take two kernels and one plane each of scratch memory.
// Numerics: float32, in the order of csrc/cpu/ink_plane.h.
#include "core/flow_dog_math.h"
#include "cuda/launch.cuh"

namespace pyapdraw {
namespace cuda {
namespace {

constexpr int kBlurThreads = 256, kTile = 32, kTileRadius = 28;

using sketch::Gaussian;

// Shared memory of blur_tile in floats. The pitch leaves a remainder of 1 by 4, so that the four rows that a warp reads
// at once lie in different banks.
__host__ __device__ inline int blur_pitch(int tile, int radius) { return (tile + 2 * radius + 3) / 4 * 4 + 1; }
__host__ __device__ inline int blur_floats(int tile, int radius) {
  const int side = tile + 2 * radius;
  return side * (blur_pitch(tile, radius) + tile);
}

// Four neighbouring sums along a line in shared memory (step: 1 or the pitch).
__device__ inline void window_sums(const float* centre, int step, const Gaussian& g, float (&sum)[4]) {
  float before[4], after[4];
  for (int j = 0; j < 4; ++j) {
    before[j] = after[j] = centre[j * step];
    sum[j] = g.weight[0] * before[j];
  }
  for (int i = 1; i <= g.radius; ++i) {
    before[3] = before[2], before[2] = before[1], before[1] = before[0], before[0] = centre[-i * step];
    after[0] = after[1], after[1] = after[2], after[2] = after[3], after[3] = centre[(3 + i) * step];
    for (int j = 0; j < 4; ++j) sum[j] += g.weight[i] * (before[j] + after[j]);
  }
}
__device__ inline void window_sums(const float* centre, int step, const Gaussian& g, float (&sum)[1]) {
  sum[0] = g.weight[0] * centre[0];
  for (int i = 1; i <= g.radius; ++i) sum[0] += g.weight[i] * (centre[-i * step] + centre[i * step]);
}

// The pixels of this thread in the block's tile: a column of T * T / 256.
template <int T>
struct TilePixels {
  static constexpr int kCount = T * T / kBlurThreads;
  int x, y;
  __device__ TilePixels()
      : x(static_cast<int>(blockIdx.x * T + threadIdx.x % T)),
        y(static_cast<int>(blockIdx.y * T + threadIdx.x / T * kCount)) {}
};

// Smoothed values of one plane at this thread's pixels. memory: blur_floats(T, g.radius) floats. All threads call it.
template <int T, typename Source>
__device__ void blur_tile(const Source& source, int k, int width, int height, const Gaussian& g, float* memory,
                          float (&sum)[T * T / kBlurThreads]) {
  const int r = g.radius, side = T + 2 * r, pitch = blur_pitch(T, r), t = static_cast<int>(threadIdx.x);
  const int x0 = static_cast<int>(blockIdx.x) * T - r, y0 = static_cast<int>(blockIdx.y) * T - r;
  float* middle = memory + side * pitch;
  __syncthreads();  // the sums of the plane before, whose window may have been narrower, are read
  for (int y = t / 32; y < side; y += kBlurThreads / 32) {
    const int from = min(max(y0 + y, 0), height - 1);
    for (int x = t % 32; x < side; x += 32) memory[y * pitch + x] = source.at(k, min(max(x0 + x, 0), width - 1), from);
  }
  __syncthreads();
  for (int y = t / (T / 4); y < side; y += kBlurThreads / (T / 4)) {
    const int x = t % (T / 4) * 4;
    float row[4];
    window_sums(memory + y * pitch + x + r, 1, g, row);
    for (int j = 0; j < 4; ++j) middle[y * T + x + j] = row[j];
  }
  __syncthreads();
  window_sums(middle + (t / T * (T * T / kBlurThreads) + r) * T + t % T, T, g, sum);
}

// Sinks whose results are not always wanted have an overload that says so on the device.
template <typename Sink>
__device__ inline bool idle(const Sink&) {
  return false;
}

template <int K, int T, typename Source, typename Sink>
PA_KERNEL __launch_bounds__(kBlurThreads) void blur_kernel(Source source, Sink sink, int width, int height,
                                                           Gaussian g) {
  PA_SHARED(float, memory);
  constexpr int kCount = TilePixels<T>::kCount;
  if (idle(sink)) return;
  float values[K][kCount];
#pragma unroll
  for (int k = 0; k < K; ++k) blur_tile<T>(source, k, width, height, g, memory, values[k]);
  const TilePixels<T> at;
  if (at.x >= width) return;
#pragma unroll
  for (int j = 0; j < kCount; ++j) {
    if (at.y + j >= height) break;
    float one[K];
    for (int k = 0; k < K; ++k) one[k] = values[k][j];
    sink.put(at.x, at.y + j, one);
  }
}

// The two passes of wide windows. rows: K planes a picture.
template <int K, typename Source>
PA_KERNEL __launch_bounds__(kBlurThreads) void blur_rows_kernel(Source source, float* rows, int width, int height,
                                                                Gaussian g) {
  __shared__ float line[kBlurThreads + 2 * sketch::kMaxRadius];
  const int first = static_cast<int>(blockIdx.x) * kBlurThreads, t = static_cast<int>(threadIdx.x);
  const int y = static_cast<int>(blockIdx.y), r = g.radius;
  for (int k = 0; k < K; ++k) {
    for (int i = t; i < kBlurThreads + 2 * r; i += kBlurThreads)
      line[i] = source.at(k, min(max(first + i - r, 0), width - 1), y);
    __syncthreads();
    float sum[1];
    window_sums(line + t + r, 1, g, sum);
    const int64_t plane = int64_t{blockIdx.z} * K + k;
    if (first + t < width) rows[(plane * height + y) * width + first + t] = sum[0];
    __syncthreads();
  }
}

template <int K, typename Sink>
PA_KERNEL __launch_bounds__(kBlurThreads) void blur_columns_kernel(const float* rows, Sink sink, int width, int height,
                                                                   Gaussian g) {
  const int x = static_cast<int>(blockIdx.x * 32 + threadIdx.x % 32);
  const int y = static_cast<int>(blockIdx.y * (kBlurThreads / 32) + threadIdx.x / 32);
  if (x >= width || y >= height) return;
  float sum[K];
  for (int k = 0; k < K; ++k) {
    const float* p = rows + (int64_t{blockIdx.z} * K + k) * height * width + x;
    sum[k] = g.weight[0] * p[int64_t{y} * width];
    for (int i = 1; i <= g.radius; ++i)
      sum[k] += g.weight[i] * (p[int64_t{max(y - i, 0)} * width] + p[int64_t{min(y + i, height - 1)} * width]);
  }
  sink.put(x, y, sum);
}

// Whether a window needs `rows`: K planes for every picture.
inline bool wide(const Gaussian& g) { return g.radius > kTileRadius; }

// In one kernel: windows up to kTileRadius. T: 32, or 16 for small planes, whose blocks would be too few.
template <int K, int T = kTile, typename Source, typename Sink>
void blur_tiles(const Source& source, const Sink& sink, int width, int height, int pictures, const Gaussian& g,
                const Context& ctx) {
  const size_t bytes = sizeof(float) * static_cast<size_t>(blur_floats(T, g.radius));
  launch(blur_kernel<K, T, Source, Sink>, dim3(blocks(width, T), blocks(height, T), static_cast<unsigned>(pictures)),
         dim3(kBlurThreads), bytes, ctx, source, sink, width, height, g);
}

template <int K, typename Source, typename Sink>
void blur(const Source& source, const Sink& sink, int width, int height, int pictures, const Gaussian& g, float* rows,
          const Context& ctx) {
  if (!wide(g)) return blur_tiles<K>(source, sink, width, height, pictures, g, ctx);
  const unsigned z = static_cast<unsigned>(pictures);
  const dim3 threads(kBlurThreads);
  launch(blur_rows_kernel<K, Source>, dim3(blocks(width, kBlurThreads), static_cast<unsigned>(height), z), threads, 0,
         ctx, source, rows, width, height, g);
  launch(blur_columns_kernel<K, Sink>, dim3(blocks(width, 32), blocks(height, kBlurThreads / 32), z), threads, 0, ctx,
         rows, sink, width, height, g);
}

// K planes a picture, one behind the other: a Source.
struct Planes {
  const float* data;
  int width;
  int64_t size;  // of a plane
  int count;     // K
  __device__ float at(int k, int x, int y) const {
    return data[(int64_t{blockIdx.z} * count + k) * size + int64_t{y} * width + x];
  }
};

}  // namespace
}  // namespace cuda
}  // namespace pyapdraw
