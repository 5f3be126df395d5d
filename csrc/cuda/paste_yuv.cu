// A drawing faded into the planes of a video frame, in place: warp_affine of drawing and opacity, rgb_to_yuv and
// composite in one launch. Method: a block is a tile of 16 x 16 frame pixels, whole chroma pixels, among those that the
// crop can reach (a rectangle found on the host). A thread samples drawing and opacity at its frame pixel, blends its
// luma, and leaves both in shared memory; after a barrier, a thread a chroma pixel takes the means of its block. Where
// the crop is larger than its place in the frame, the part of the reduced images that a tile reads is computed once,
// into shared memory (warp_sample.cuh). Pixels of no opacity are not written. Shared memory: 1 KB, and where reduced
// the parts of both images, 16 KB more. Numerics: bytes after the warp, after the conversion and after the blend, each
// as in the operation of that name; opacity of a chroma pixel is the mean of its pixels', rounded half up.
#include "core/composite_math.h"
#include "core/yuv_math.h"
#include "cuda/kernels.h"
#include "cuda/launch.cuh"
#include "cuda/warp_sample.cuh"

namespace pyapdraw {
namespace cuda {
namespace {

struct Pasting {
  Tensor drawing, alpha, y, u, v;
  WarpPlan paper, none;  // beyond the crop: white, and opacity 0
  RgbToYuv m;
  int down, across;                  // chroma coordinates: 1 where halved
  int64_t left, top, right, bottom;  // frame pixels that the crop can reach
};

__device__ uint8_t byte_at(const Tensor& t, int64_t c, int64_t x, int64_t y) {
  return t.as<uint8_t>()[y * t.stride[0] + x * t.stride[1] + c * t.stride[2]];
}

// Drawing and opacity of a tile, as the barrier between luma and chroma finds them.
template <int C>
struct Sampled {
  uint8_t drawing[C][kTile][kTile], alpha[kTile][kTile];
};

// Where the bytes of both images come from: channel c of the drawing, or C: opacity. They have one geometry.
template <int C>
__device__ uint8_t source_byte(const Pasting& p, int c, int64_t x, int64_t y) {
  return c < C ? byte_at(p.drawing, c, x, y) : byte_at(p.alpha, 0, x, y);
}

template <int C, Reduction how>
struct Source {  // not reduced
  __device__ void prepare(const Pasting&, int64_t, int64_t, int) {}
  __device__ double at(const Pasting& p, int c, int64_t u, int64_t v) const { return source_byte<C>(p, c, u, v); }
};
template <int C>
struct Source<C, Reduction::box> {
  ReducedBox<uint8_t, C + 1> box;
  __device__ void prepare(const Pasting& p, int64_t left, int64_t top, int thread) {
    box.prepare(p.none, left, top, p.alpha.shape[1], p.alpha.shape[0], thread);
    const auto value = [&](int64_t u, int64_t v, float (&to)[C + 1]) {
      for (int c = 0; c <= C; ++c) to[c] = static_cast<float>(source_byte<C>(p, c, u, v));
    };
    box.fill(value, thread);
  }
  __device__ double at(const Pasting&, int c, int64_t u, int64_t v) const { return box.at(c, u, v); }
};
template <int C>
struct Source<C, Reduction::strong> {
  __device__ void prepare(const Pasting&, int64_t, int64_t, int) {}
  __device__ double at(const Pasting& p, int c, int64_t u, int64_t v) const {
    float byte[1];
    const auto value = [&](int64_t x, int64_t y, float (&to)[1]) {
      to[0] = static_cast<float>(source_byte<C>(p, c, x, y));
    };
    reduced_pixel<uint8_t>(p.none, u, v, p.alpha.shape[1], p.alpha.shape[0], value, byte);
    return static_cast<double>(byte[0]);
  }
};

template <int C>
__device__ Rgb colour(const uint8_t (&drawing)[C][kTile][kTile], int column, int row) {
  const float first = static_cast<float>(drawing[0][row][column]);
  if (C == 1) return {first, first, first};
  return {first, static_cast<float>(drawing[C / 2][row][column]), static_cast<float>(drawing[C - 1][row][column])};
}

// Chroma pixel (i, j) of the tile: means over the part of its block that lies in the frame.
template <int C>
__device__ void blend_chroma(const Pasting& p, const Sampled<C>& tile, int64_t left, int64_t top, int i, int j) {
  const int64_t cx = (left >> p.across) + i, cy = (top >> p.down) + j;
  if (cx >= p.u.shape[1] || cy >= p.u.shape[0]) return;
  Rgb sum{0.0f, 0.0f, 0.0f};
  int opacity = 0, count = 0;
  for (int row = j << p.down; row < (j + 1) << p.down; ++row)
    for (int column = i << p.across; column < (i + 1) << p.across; ++column) {
      if (left + column >= p.y.shape[1] || top + row >= p.y.shape[0]) continue;
      const Rgb pixel = colour<C>(tile.drawing, column, row);
      sum = {sum.r + pixel.r, sum.g + pixel.g, sum.b + pixel.b};
      opacity += tile.alpha[row][column];
      ++count;
    }
  const uint8_t mean = static_cast<uint8_t>((2 * opacity + count) / (2 * count));
  if (mean == 0) return;
  const float share = 1.0f / static_cast<float>(count);
  uint8_t* u = p.u.as<uint8_t>() + cy * p.u.stride[0] + cx * p.u.stride[1];
  uint8_t* v = p.v.as<uint8_t>() + cy * p.v.stride[0] + cx * p.v.stride[1];
  *u = blend_bytes(C == 1 ? 128 : u_byte(p.m, sum, share), mean, *u);
  *v = blend_bytes(C == 1 ? 128 : v_byte(p.m, sum, share), mean, *v);
}

// C channels of the drawing.
template <int C, Reduction how>
PA_KERNEL void __launch_bounds__(kTileThreads) paste_yuv_kernel(Pasting p) {
  __shared__ Sampled<C> tile;
  __shared__ Source<C, how> source;
  const int column = threadIdx.x, row = threadIdx.y, thread = row * kTile + column;
  const int64_t left = p.left + static_cast<int64_t>(blockIdx.x) * kTile, x = left + column;
  for (int64_t top = p.top + static_cast<int64_t>(blockIdx.y) * kTile; top < p.bottom;
       top += static_cast<int64_t>(gridDim.y) * kTile) {
    const int64_t y = top + row;
    source.prepare(p, left, top, thread);
    const Sample s = locate(p.none, x, y);
    put_interpolated(p.none, s, [&](int64_t u, int64_t v) { return source.at(p, C, u, v); }, &tile.alpha[row][column]);
    for (int c = 0; c < C; ++c)
      put_interpolated(
          p.paper, s, [&](int64_t u, int64_t v) { return source.at(p, c, u, v); }, &tile.drawing[c][row][column]);
    const uint8_t opacity = tile.alpha[row][column];
    if (opacity > 0 && x < p.y.shape[1] && y < p.y.shape[0]) {
      uint8_t* luma = p.y.as<uint8_t>() + y * p.y.stride[0] + x * p.y.stride[1];
      *luma = blend_bytes(luma_byte(p.m, colour<C>(tile.drawing, column, row)), opacity, *luma);
    }
    __syncthreads();
    if (column < kTile >> p.across && row < kTile >> p.down) blend_chroma<C>(p, tile, left, top, column, row);
    __syncthreads();  // the next tile overwrites
  }
}

// The frame pixels whose sample may lie on the crop: the corners of where taps are, mapped back, with room for
// rounding.
void find_reach(Pasting* p) {
  const double* m = p->none.m;
  const double det = m[0] * m[4] - m[1] * m[3];
  const int64_t width = p->y.shape[1], height = p->y.shape[0];
  double low[2] = {INFINITY, INFINITY}, high[2] = {-INFINITY, -INFINITY};
  for (int corner = 0; corner < 4; ++corner) {
    const double sx = (corner & 1 ? static_cast<double>(p->none.reduced_w) : -1.0) - m[2];
    const double sy = (corner & 2 ? static_cast<double>(p->none.reduced_h) : -1.0) - m[5];
    const double at[2] = {(m[4] * sx - m[1] * sy) / det, (m[0] * sy - m[3] * sx) / det};
    for (int i = 0; i < 2; ++i) {
      low[i] = at[i] < low[i] ? at[i] : low[i];
      high[i] = at[i] > high[i] ? at[i] : high[i];
    }
  }
  const auto within = [](double v, int64_t n) {  // a number that is none counts as the far end
    return v > 0.0 ? (v < static_cast<double>(n) ? static_cast<int64_t>(v) : n) : 0;
  };
  const bool known = std::isfinite(low[0] + low[1] + high[0] + high[1]);
  p->left = known ? within(low[0] - 2.0, width) & ~int64_t{1} : 0;
  p->top = known ? within(low[1] - 2.0, height) & ~int64_t{1} : 0;
  p->right = known ? within(high[0] + 3.0, width) : width;
  p->bottom = known ? within(high[1] + 3.0, height) : height;
}

template <int C>
void run(const Pasting& p, const Context& ctx) {
  const dim3 grid(blocks(p.right - p.left, kTile), blocks(p.bottom - p.top, kTile, 65535)), block(kTile, kTile);
  switch (reduction(p.none, p.alpha.shape[1], p.alpha.shape[0])) {
    case Reduction::none: return launch(paste_yuv_kernel<C, Reduction::none>, grid, block, 0, ctx, p);
    case Reduction::box: return launch(paste_yuv_kernel<C, Reduction::box>, grid, block, 0, ctx, p);
    case Reduction::strong: return launch(paste_yuv_kernel<C, Reduction::strong>, grid, block, 0, ctx, p);
  }
}

}  // namespace

void paste_yuv(const Tensor& drawing, const Tensor& alpha, const WarpPlan& plan, const YuvFormat& format,
               const Tensor& y, const Tensor& u, const Tensor& v, const Context& ctx) {
  Pasting p{drawing, alpha, y, u, v, plan, plan, rgb_to_yuv_coefficients(format), 0, 0, 0, 0, 0, 0};
  p.paper.border_value = 255.0;
  p.down = u.shape[0] != y.shape[0], p.across = u.shape[1] != y.shape[1];
  find_reach(&p);
  if (p.left >= p.right || p.top >= p.bottom) return;
  if (drawing.ndim == 2)
    run<1>(p, ctx);
  else
    run<3>(p, ctx);
}

}  // namespace cuda
}  // namespace pyapdraw
