// ink, first stage: luma, the part of the crop that lies outside the photo, the person: csrc/cpu/ink_prepare.cpp.
// Exactly white areas at the border are found by union-find (ink_areas.cuh). Where there is none the kernels that
// follow up to `finish` end at once. Otherwise: the photo's extent in each row (a warp a row), its convex hull (a warp
// a side: each lane the hull of some rows, the first lane then the hull of their corners), a margin of 2 px, and the
// tone of the photo nearby in the place of what is outside. Shared memory: up to 5 KB; the blurs as in blur.cuh.
#include "cuda/blur.cuh"
#include "cuda/ink_areas.cuh"
#include "cuda/ink_cells.cuh"

namespace pyapdraw {
namespace cuda {
namespace inking {

namespace {

constexpr int kMargin = 2;

struct White {
  Tensor pixels;
  __device__ bool operator()(int x, int y) const {
    const uint8_t* q = pixels.as<uint8_t>() + y * pixels.stride[0] + x * pixels.stride[1];
    return (q[0] & q[pixels.stride[2]] & q[2 * pixels.stride[2]]) == 255;
  }
};

PA_KERNEL void ink_luma_kernel(Sheet s, White white) {
  if (blockIdx.x == 0 && threadIdx.x == 0) s.labels[0] = 0;
  const Chunk c = chunk_of(s.width, s.height);
  if (c.y >= s.height) return;
  bool is_white = false;
  if (c.there) {
    const Tensor& p = white.pixels;
    const uint8_t* q = p.as<uint8_t>() + c.y * p.stride[0] + c.x * p.stride[1];
    const uint8_t r = q[0], g = q[p.stride[2]], b = q[2 * p.stride[2]];
    s.tone[c.pixel(s.width)] = sketch::luma(r, g, b);
    is_white = (r & g & b) == 255;
  }
  const unsigned mask = __ballot_sync(kAll, is_white);
  if (c.there) s.labels[c.pixel(s.width) + 1] = is_white ? run_label(c, mask, s.width) : -1;
}

PA_KERNEL void ink_frame_kernel(Sheet s, White white) {
  const Chunk c = chunk_of(s.width, s.height);
  if (!c.there || !white(c.x, c.y)) return;
  unite_neighbours<false>(s.labels, white, c, s.width);
  if (c.x > 0 && c.y > 0 && c.x < s.width - 1 && c.y < s.height - 1) return;
  unite(s.labels, static_cast<int>(c.pixel(s.width)) + 1, 0);
  atomicOr(&s.state->outside, 1);
}

__device__ int* ends_of(const Sheet& s, int side) { return reinterpret_cast<int*>(s.extent) + side * s.height; }
__device__ int* corners_of(const Sheet& s, int side) {
  return reinterpret_cast<int*>(s.extent) + (2 + side) * s.height;
}
__device__ float* hull_of(const Sheet& s, int side) { return s.extent + (4 + side) * s.height; }

// Per row the first and the last pixel of the photo, the last mirrored, so that both are left sides; n where it has
// none. Leaves in drawn what is flooded.
PA_KERNEL void ink_extent_kernel(Sheet s) {
  if (!s.state->outside) return;
  const int n = s.width, lane = static_cast<int>(threadIdx.x % 32);
  const int y = static_cast<int>(blockIdx.x * (kAreaThreads / 32) + threadIdx.x / 32);
  if (y >= s.height) return;
  int first = n, last = -1;
  for (int x0 = 0; x0 < n; x0 += 32) {
    const int x = x0 + lane;
    const int64_t i = int64_t{y} * n + x;
    const bool chosen = x < n && s.labels[i + 1] >= 0;
    const unsigned mask = __ballot_sync(kAll, chosen);
    const int begin = run_begin(mask, lane);
    int beyond = chosen && begin == lane ? root(s.labels, static_cast<int>(i) + 1) == 0 : 0;
    beyond = __shfl_sync(kAll, beyond, begin);
    const bool flooded = chosen && beyond;
    const unsigned photo = __ballot_sync(kAll, x < n && !flooded);
    if (x < n) s.drawn[i] = flooded;
    if (!photo) continue;
    if (first == n) first = x0 + __ffs(static_cast<int>(photo)) - 1;
    last = x0 + 31 - __clz(static_cast<int>(photo));
  }
  if (lane != 0) return;
  ends_of(s, 0)[y] = first;
  ends_of(s, 1)[y] = last < 0 ? n : -last;
  if (last < 0) return;
  atomicMax(&s.state->first_row, s.height - y);
  atomicMax(&s.state->past_row, y + 1);
}

// Puts row y on the stack of corners of a convex left side.
__device__ int push_corner(const int* ends, int* corners, int top, int y) {
  while (top >= 2 && !sketch::bulges(corners[top - 2], ends[corners[top - 2]], corners[top - 1], ends[corners[top - 1]],
                                     y, ends[y]))
    --top;
  corners[top] = y;
  return top + 1;
}

PA_KERNEL void ink_hull_kernel(Sheet s) {
  __shared__ int counts[2][32], tops[2];
  if (!s.state->outside || s.state->past_row == 0) return;
  const int side = static_cast<int>(threadIdx.x / 32), lane = static_cast<int>(threadIdx.x % 32);
  const int first = s.height - s.state->first_row, past = s.state->past_row, rows = (past - first + 31) / 32;
  const int* ends = ends_of(s, side);
  int* corners = corners_of(s, side);
  float* hull = hull_of(s, side);
  const int begin = min(first + lane * rows, past), end = min(begin + rows, past);
  int top = 0;
  for (int y = begin; y < end; ++y) top = push_corner(ends, corners + begin, top, y);
  counts[side][lane] = top;
  __syncwarp();
  if (lane == 0) {  // what is put back lies never behind what is still to be read
    int all = counts[side][0];
    for (int l = 1; l < 32; ++l)
      for (int k = 0; k < counts[side][l]; ++k)
        all = push_corner(ends, corners + first, all, corners[first + l * rows + k]);
    tops[side] = all;
  }
  __syncwarp();
  const int* corner = corners + first;
  for (int i = lane; i < tops[side]; i += 32) {
    const int a = corner[i];
    hull[a] = static_cast<float>(ends[a]);
    if (i + 1 == tops[side]) continue;
    const int b = corner[i + 1];
    const float from = static_cast<float>(ends[a]);
    const float step = (static_cast<float>(ends[b]) - from) / static_cast<float>(b - a);
    for (int y = a + 1; y < b; ++y) hull[y] = from + step * static_cast<float>(y - a);
  }
}

// What lies inside the photo's hull is background, not outside. Marks with 1 what is outside, with 2 what lies within
// the margin of it: pixels that the warp mixed with white.
PA_KERNEL void ink_outside_kernel(Sheet s) {
  constexpr int kWide = 32, kHigh = kAreaThreads / kWide, kSide = kWide + 2 * kMargin;
  __shared__ uint8_t beyond[kHigh + 2 * kMargin][kSide];
  const int t = static_cast<int>(threadIdx.x), n = s.width;
  const int x0 = static_cast<int>(blockIdx.x) * kWide, y0 = static_cast<int>(blockIdx.y) * kHigh;
  const int x = x0 + t % kWide, y = y0 + t / kWide;
  if (!s.state->outside) {
    if (x < n && y < s.height) s.out[int64_t{y} * n + x] = 0;
    return;
  }
  const int first = s.height - s.state->first_row, past = s.state->past_row;
  for (int i = t; i < (kHigh + 2 * kMargin) * kSide; i += kAreaThreads) {
    const int u = x0 + i % kSide - kMargin, v = y0 + i / kSide - kMargin;
    bool is = u >= 0 && v >= 0 && u < n && v < s.height && s.drawn[int64_t{v} * n + u];
    if (is && past > 0 && v >= first && v < past)
      is = static_cast<float>(u) < std::ceil(hull_of(s, 0)[v]) || static_cast<float>(u) > std::floor(-hull_of(s, 1)[v]);
    beyond[i / kSide][i % kSide] = is;
  }
  __syncthreads();
  if (x >= n || y >= s.height) return;
  bool near = false;
  for (int v = 0; v <= 2 * kMargin; ++v)
    for (int u = 0; u <= 2 * kMargin; ++u) near = near || beyond[t / kWide + v][t % kWide + u];
  s.out[int64_t{y} * n + x] = beyond[t / kWide + kMargin][t % kWide + kMargin] ? 1 : (near ? 2 : 0);
}

// The photo's share of each cell, and its tone times that.
struct PhotoJob {
  static constexpr int kValues = 2, kCoarse = 2;
  __device__ static int coarse_value(int c) { return c; }
  __device__ bool idle(const Sheet& s) const { return !s.state->outside; }
  __device__ void fill(const Sheet& s, int x, int y, float (&v)[2]) const {
    const int64_t i = int64_t{y} * s.width + x;
    v[0] = s.out[i] ? 0.f : 1.f;
    v[1] = v[0] * s.tone[i];
  }
  __device__ void put(const Sheet& s, int64_t cell, const float (&mean)[2]) const {
    s.plane(kScratch)[cell] = mean[0];
    s.plane(kScratch + 1)[cell] = mean[1];
  }
};

struct WideSink {  // onto coarse planes 2 and 3
  Sheet s;
  __device__ void put(int x, int y, const float (&v)[2]) const {
    for (int k = 0; k < 2; ++k) s.coarse_plane(2 + k)[int64_t{y} * s.coarse_width + x] = v[k];
  }
};
__device__ inline bool idle(const WideSink& sink) { return !sink.s.state->outside; }

struct NearbySink {
  Sheet s;
  __device__ void put(int x, int y, const float (&v)[2]) const {
    const Between b = coarse_between(s, x, y);
    s.plane(kScratch + 2)[int64_t{y} * s.low_width + x] =
        sketch::tone_outside(v[1], v[0], enlarged(s.coarse_plane(3), b), enlarged(s.coarse_plane(2), b));
  }
};
__device__ inline bool idle(const NearbySink& sink) { return !sink.s.state->outside; }

PA_KERNEL void ink_person_kernel(Sheet s, Tensor mask) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kAreaThreads + threadIdx.x;
  if (i >= s.full_count()) return;
  const int x = static_cast<int>(i % s.width), y = static_cast<int>(i / s.width);
  const uint8_t beyond = s.out[i];
  s.person[i] = beyond == 1 ? 0 : mask.as<uint8_t>()[y * mask.stride[0] + x * mask.stride[1]];
  if (beyond) s.tone[i] = enlarged(s.plane(kScratch + 2), low_between(s, x, y));
}

}  // namespace

void prepare(const Sheet& s, const Tensor& pixels, const Tensor& mask, const Context& ctx) {
  const White white{pixels};
  const dim3 threads(kAreaThreads), chunks = chunk_grid(s.width, s.height);
  launch(ink_luma_kernel, chunks, threads, 0, ctx, s, white);
  launch(ink_frame_kernel, chunks, threads, 0, ctx, s, white);
  launch(ink_extent_kernel, dim3(blocks(s.height, kAreaThreads / 32)), threads, 0, ctx, s);
  launch(ink_hull_kernel, dim3(1), dim3(64), 0, ctx, s);
  launch(ink_outside_kernel, dim3(blocks(s.width, 32), blocks(s.height, kAreaThreads / 32)), threads, 0, ctx, s);
  reduce_cells(s, PhotoJob{}, ctx);
  const Planes wide_planes{s.coarse_plane(0), s.coarse_width, s.coarse_count(), 2};
  blur_tiles<2, 16>(wide_planes, WideSink{s}, s.coarse_width, s.coarse_height, 1,
                    sketch::gaussian(56.f * s.scale / (4.f * static_cast<float>(s.factor))), ctx);
  blur_tiles<2>(Planes{s.plane(kScratch), s.low_width, s.low_count(), 2}, NearbySink{s}, s.low_width, s.low_height, 1,
                sketch::gaussian(4.f * s.cells()), ctx);
  launch(ink_person_kernel, dim3(blocks(s.full_count(), kAreaThreads)), threads, 0, ctx, s, mask);
}

}  // namespace inking
}  // namespace cuda
}  // namespace pyapdraw
