#pragma once
// Connected areas of pixels: union-find over runs. A warp takes 32 neighbouring pixels of a row; the chosen ones of a
// run point to its first, and runs that touch are joined, the larger root to the smaller, until all is done: the roots
// do not depend on the order. Node 0 stands for the world beyond the border, node i + 1 for pixel i.
#include "cuda/ink.cuh"

namespace pyapdraw {
namespace cuda {
namespace inking {
namespace {

constexpr int kAreaThreads = 256;
constexpr unsigned kAll = 0xffffffffu;

struct Chunk {  // the pixel of this lane; `there` where it is one. Whole warps have y >= height or not.
  int x, y, lane;
  bool there;
  __device__ int64_t pixel(int width) const { return int64_t{y} * width + x; }
};
__device__ inline Chunk chunk_of(int width, int height) {
  const int64_t warp = static_cast<int64_t>(blockIdx.x) * (kAreaThreads / 32) + threadIdx.x / 32;
  const int a_row = (width + 31) / 32, lane = static_cast<int>(threadIdx.x % 32);
  const int y = static_cast<int>(warp / a_row), x = static_cast<int>(warp % a_row) * 32 + lane;
  return {x, y, lane, y < height && x < width};
}
inline dim3 chunk_grid(int width, int height) {
  return dim3(blocks(int64_t{height} * ((width + 31) / 32), kAreaThreads / 32));
}

// First and last lane of the run of set bits that `lane` belongs to.
__device__ inline int run_begin(unsigned mask, int lane) {
  const unsigned gaps = ~mask & ((1u << lane) - 1);
  return gaps ? 32 - __clz(static_cast<int>(gaps)) : 0;
}
__device__ inline int run_end(unsigned mask, int lane) {
  const unsigned gaps = ~mask >> lane;
  return gaps ? lane + __ffs(static_cast<int>(gaps)) - 2 : 31;
}

// The label of a pixel before areas are joined, from the chosen lanes of its warp.
__device__ inline int run_label(const Chunk& c, unsigned mask, int n) {
  return static_cast<int>(c.pixel(n)) - c.lane + run_begin(mask, c.lane) + 1;
}

// While areas are joined others write the labels: read as atomics.
__device__ inline int root_among_others(int* labels, int i) {
  for (int up = atomicAdd(labels + i, 0); up != i; up = atomicAdd(labels + i, 0)) i = up;
  return i;
}
__device__ inline int root(const int* labels, int i) {
  for (int up = labels[i]; up != i; up = labels[i]) i = up;
  return i;
}

__device__ inline void unite(int* labels, int a, int b) {
  for (;;) {
    a = root_among_others(labels, a);
    b = root_among_others(labels, b);
    if (a == b) return;
    if (a < b) {
      const int larger = b;
      b = a;
      a = larger;
    }
    const int old = atomicMin(labels + a, b);
    if (old == a) return;  // a was a root, and has its new one
    a = old;
  }
}

// Joins the run of a chosen pixel with those that it touches before it: on the left across the warp's edge, and above.
template <bool kCorners, typename Chosen>
__device__ void unite_neighbours(int* labels, const Chosen& chosen, const Chunk& c, int n) {
  const int i = static_cast<int>(c.pixel(n)) + 1;
  const bool left = c.x > 0 && chosen(c.x - 1, c.y);
  if (c.lane == 0 && left) unite(labels, i, i - 1);
  if (c.y == 0) return;
  const bool up_left = c.x > 0 && chosen(c.x - 1, c.y - 1);
  if (chosen(c.x, c.y - 1)) {
    if (c.lane == 0 || !left || !up_left) unite(labels, i, i - n);  // else the pixel on the left does it
  } else if (kCorners) {
    if (up_left && !left) unite(labels, i, i - n - 1);
    if (c.x + 1 < n && chosen(c.x + 1, c.y - 1) && !chosen(c.x + 1, c.y)) unite(labels, i, i - n + 1);
  }
}

}  // namespace
}  // namespace inking
}  // namespace cuda
}  // namespace pyapdraw
