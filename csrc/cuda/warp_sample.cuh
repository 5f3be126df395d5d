#pragma once
// Sampling of a warp, shared by the operations that warp. Where the plan asks for a reduced image, the part of it that
// a block of output pixels reads is computed once, into shared memory (ReducedBox); where the reduction is too strong
// for its tables, each tap is computed by itself (reduced_tap). Coordinates and results are those of
// core/warp_affine_math.h to the bit.
#include "core/warp_affine_math.h"
#include "cuda/triangle.cuh"

namespace pyapdraw {
namespace cuda {
namespace {

constexpr int kTile = 16, kTileThreads = kTile * kTile;  // output pixels of a block that reduces

// Four taps, left to right and top to bottom, interpolated and rounded. Bytes: single precision errs by less than
// 1.2e-4 (weights 2^-24, six roundings of values up to 255, the border's own), so a value further than that from a tie
// rounds alike; others are done again in double.
__device__ inline void put_lerp(double a, double b, double c, double d, double fx, double fy, uint8_t* out) {
  constexpr float kDoubt = 2e-4f;
  const float x = static_cast<float>(fx), y = static_cast<float>(fy);
  const float top = (1.0f - x) * static_cast<float>(a) + x * static_cast<float>(b);
  const float bottom = (1.0f - x) * static_cast<float>(c) + x * static_cast<float>(d);
  const float v = (1.0f - y) * top + y * bottom + 0.5f;
  const int32_t byte = static_cast<int32_t>(v);
  const float beyond = v - static_cast<float>(byte);
  if (beyond >= kDoubt && beyond <= 1.0f - kDoubt)
    *out = static_cast<uint8_t>(byte);
  else if (a == b && a == c && a == d)  // beyond the image the border itself, which a blend might round away from
    put_sample(a, out);
  else
    put_sample(lerp_exact(lerp_exact(a, b, fx), lerp_exact(c, d, fx), fy), out);
}
__device__ inline void put_lerp(double a, double b, double c, double d, double fx, double fy, float* out) {
  put_sample(lerp_exact(lerp_exact(a, b, fx), lerp_exact(c, d, fx), fy), out);
}

// tap(x, y) is called with coordinates inside the image only.
template <typename F, typename T>
__device__ void put_interpolated(const WarpPlan& p, const Sample& s, const F& tap, T* out) {
  put_lerp(tap_or_border(p, s.x, s.y, tap), tap_or_border(p, s.x + 1, s.y, tap), tap_or_border(p, s.x, s.y + 1, tap),
           tap_or_border(p, s.x + 1, s.y + 1, tap), s.fx, s.fy, out);
}

constexpr int kBoxTaps = 32;  // that a box keeps of one axis

enum class Reduction { none, box, strong };

inline Reduction reduction(const WarpPlan& p, int64_t w, int64_t h) {
  if (p.reduced_w == w && p.reduced_h == h) return Reduction::none;
  const bool box = most_taps(w, p.reduced_w) <= kBoxTaps && most_taps(h, p.reduced_h) <= kBoxTaps;
  return box ? Reduction::box : Reduction::strong;
}

// N values a pixel of the reduced image, around a tile of output pixels. Its side suffices: an axis is reduced to k
// pixels only where a step of the output is at most 1 + 1 / (2k - 1) of them, so that 15 steps along both axes at once
// reach at most 15 sqrt(2) 1.016 pixels where k > 32, and all of the image holds fewer where it is not.
template <typename T, int N>
struct ReducedBox {
  static constexpr int kSide = 32;
  int64_t x, y;
  int width, height;
  TapTable<kSide, kBoxTaps> across, down;
  T pixels[N][kSide][kSide + 1];

  // What the output pixels [left, left + kTile) x [top, top + kTile) read along one axis of n pixels.
  __device__ static int span(const double* m, int64_t left, int64_t top, int64_t n, int64_t* first) {
    double low = INFINITY, high = -INFINITY;
    for (int corner = 0; corner < 4; ++corner) {
      const double s = map_axis(m, static_cast<double>(left + (corner & 1 ? kTile - 1 : 0)),
                                static_cast<double>(top + (corner & 2 ? kTile - 1 : 0)));
      low = s < low ? s : low;
      high = s > high ? s : high;
    }
    *first = nearest_index(static_cast<int64_t>(floor(clamp_axis(low, n))) - 1, n);
    const int64_t last = nearest_index(static_cast<int64_t>(floor(clamp_axis(high, n))) + 2, n);
    return static_cast<int>(last + 1 - *first < kSide ? last + 1 - *first : kSide);
  }

  // Finds the part of an image of w x h, and its weights. All threads of a block; begins and ends with a barrier.
  __device__ void prepare(const WarpPlan& p, int64_t left, int64_t top, int64_t w, int64_t h, int thread) {
    __syncthreads();
    if (thread == 0) width = span(p.m, left, top, p.reduced_w, &x);
    if (thread == 1) height = span(p.m + 3, left, top, p.reduced_h, &y);
    __syncthreads();
    across.fill(x, width, w, p.reduced_w, thread, kTileThreads);
    down.fill(y, height, h, p.reduced_h, thread, kTileThreads);
    __syncthreads();
  }

  // Computes the part; ends with a barrier. value as for triangle_sums.
  template <typename F>
  __device__ void fill(const F& value, int thread) {
    for (int i = thread; i < width * height; i += kTileThreads) {
      const int column = i % width, row = i / width;
      float sums[N];
      triangle_sums<N>(across.row(column), down.row(row), value, sums);
      for (int c = 0; c < N; ++c) store(sums[c], &pixels[c][row][column]);
    }
    __syncthreads();
  }

  __device__ double at(int c, int64_t u, int64_t v) const {
    return static_cast<double>(pixels[c][static_cast<int>(v - y)][static_cast<int>(u - x)]);
  }
};

// The N values of a pixel of the reduced image by itself, rounded to T.
template <typename T, int N, typename F>
__device__ void reduced_pixel(const WarpPlan& p, int64_t u, int64_t v, int64_t w, int64_t h, const F& value,
                              float (&to)[N]) {
  triangle_sums<N>(Taps{tap_range(u, w, p.reduced_w)}, Taps{tap_range(v, h, p.reduced_h)}, value, to);
  for (int c = 0; c < N; ++c) {
    T rounded;
    store(to[c], &rounded);
    to[c] = static_cast<float>(rounded);
  }
}

}  // namespace
}  // namespace cuda
}  // namespace pyapdraw
