#pragma once
// Pixels of a resized image, summed from their source rectangles: the triangle of core/resize_math.h. Weights are
// computed in double and rounded to float32 once, either on the fly or, for the outputs of a block, into a table in
// shared memory; sums are fused by hand, so that both give the same bits.
#include "core/resize_math.h"
#include "cuda/launch.cuh"
#include "pyapdraw/tensor.h"

namespace pyapdraw {
namespace cuda {
namespace {

__device__ inline void store(float v, float* out) { *out = v; }
__device__ inline void store(float v, uint8_t* out) {
  *out = static_cast<uint8_t>(static_cast<int32_t>((v < 255.0f ? v : 255.0f) + 0.5f));
}

// The most source pixels that an output has along one axis.
PYAPDRAW_DEVICE inline int64_t most_taps(int64_t n_in, int64_t n_out) {
  return n_in <= n_out ? 3 : 2 * ((n_in + n_out - 1) / n_out) + 2;
}

// Weights of one axis of one output, on the fly.
struct Taps {
  TapRange range;
  __device__ int64_t begin() const { return range.begin; }
  __device__ int64_t count() const { return range.end - range.begin; }
  __device__ float weight(int64_t k) const { return static_cast<float>(tap_weight(range, range.begin + k)); }
};

// Weights of up to Outputs neighbouring outputs along one axis, of at most Most taps each, kept in shared memory.
template <int Outputs, int Most>
struct TapTable {
  int64_t first[Outputs];
  int counts[Outputs];
  float weights[Outputs][Most + 1];  // one more, so that neighbours' weights lie in different banks

  // All threads of a block; a barrier has to follow.
  __device__ void fill(int64_t begin, int outputs, int64_t n_in, int64_t n_out, int thread, int threads) {
    for (int i = thread; i < outputs; i += threads) {
      const TapRange range = tap_range(begin + i, n_in, n_out);
      first[i] = range.begin;
      counts[i] = static_cast<int>(range.end - range.begin);
      for (int k = 0; k < counts[i]; ++k) weights[i][k] = static_cast<float>(tap_weight(range, range.begin + k));
    }
  }

  struct Row {
    const TapTable& table;
    int i;
    __device__ int64_t begin() const { return table.first[i]; }
    __device__ int64_t count() const { return table.counts[i]; }
    __device__ float weight(int64_t k) const { return table.weights[i][k]; }
  };
  __device__ Row row(int i) const { return {*this, i}; }
};

// sums[N] of one output; value(x, y, v) gives the N values v of a source pixel.
template <int N, typename Across, typename Down, typename F>
__device__ void triangle_sums(const Across& across, const Down& down, const F& value, float (&sums)[N]) {
  float weight = 0.0f;
  for (int c = 0; c < N; ++c) sums[c] = 0.0f;
  for (int64_t j = 0; j < down.count(); ++j) {
    const float wy = down.weight(j);
    float line[N] = {}, line_weight = 0.0f;
    for (int64_t i = 0; i < across.count(); ++i) {
      const float wx = across.weight(i);
      float v[N];
      value(across.begin() + i, down.begin() + j, v);
      for (int c = 0; c < N; ++c) line[c] = fmaf(wx, v[c], line[c]);
      line_weight += wx;
    }
    for (int c = 0; c < N; ++c) sums[c] = fmaf(wy, line[c], sums[c]);
    weight = fmaf(wy, line_weight, weight);
  }
  for (int c = 0; c < N; ++c) sums[c] /= weight;
}

}  // namespace
}  // namespace cuda
}  // namespace pyapdraw
