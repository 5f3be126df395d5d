#pragma once
// What the distance transforms differ in, for the one row pass that they share (distance_transform_rows.cuh). A metric
// says what is kept of a column for a row, the distance from a pixel of the row to that column's nearest site, and the
// result:
//   Value                        what is kept, and what distances are compared in
//   kHighest, kSlack, kColours   no value is above; see the row pass; whether pixels of two colours have different maps
//   value(column, y, height)     of one column
//   least(value, inside)         a value not above any of a block of 32 columns, for a whole warp (inside: the column
//                                is there)
//   cost(value, x, colour)       distance of a pixel of that colour, x columns away
//   far(cost), finish(cost)      whether there was no site; the final value
// The row pass asks three things of cost(): that it does not fall with x >= 0 nor with value; that all is exact; and
// that two columns cross at most once: where the right one of two has become as near as the left one, it stays so. For
// any norm this holds: with the sites at heights a < b above the row, the slopes of the two distances are the same
// rising function of x / a and of x' / b, so that their difference falls, then rises, and changes its sign once; with a
// > b by symmetry; with a = b it only rises.
#include "core/distance_transform_math.h"
#include "cuda/distance_transform_columns.cuh"

namespace pyapdraw {
namespace cuda {
namespace metrics {

constexpr unsigned kWarp = 0xffffffffu;

__device__ inline uint32_t least_of_warp(uint32_t v) { return __reduce_min_sync(kWarp, v); }
template <typename V>
__device__ inline V least_of_warp(V v) {
#pragma unroll
  for (int lane = 16; lane > 0; lane /= 2) {
    const V other = __shfl_xor_sync(kWarp, v, lane);
    v = other < v ? other : v;
  }
  return v;
}

// V: uint32_t for squares below 2^31, else uint64_t.
template <typename V>
struct Squares {
  using Value = V;
  static constexpr V kFar = V{1} << (sizeof(V) * 8 - (sizeof(V) == 4 ? 1 : 2)), kHighest = ~V{0};
  static constexpr int kSlack = 0;
  static constexpr bool kColours = false;
  bool squared;

  static bool fits(int64_t height, int64_t width) {
    return sizeof(V) == 8 || distance::squares_below(height, width, int64_t{1} << 31);
  }
  __device__ V value(const columns::Column& c, int y, int height) const {
    const uint32_t rows = columns::nearest_row(c, y, height, 1);
    return rows == columns::kNone ? kFar : static_cast<V>(rows) * rows;
  }
  __device__ V least(V v, bool inside) const { return least_of_warp(inside ? v : kHighest); }
  __device__ V cost(V value, int x, uint32_t) const { return value + static_cast<V>(static_cast<int64_t>(x) * x); }
  __device__ bool far(V cost) const { return cost >= kFar; }
  __device__ float finish(V cost) const { return far(cost) ? INFINITY : distance::finish(cost, squared); }
};
template <>
__device__ inline uint32_t Squares<uint32_t>::cost(uint32_t value, int x, uint32_t) const {
  return value + static_cast<uint32_t>(x * x);
}

// To the other colour: each pixel is zero in the map of its own colour, so that one row pass serves both maps. Kept is
// the square of the distance within the column to the other colour, doubled, plus the colour (0, 1) of the pixel; for a
// pixel of the other colour that column is a site. V: uint32_t for squares below 2^30, else uint64_t.
template <typename V>
struct Pair {
  using Value = V;
  static constexpr V kFar = V{1} << (sizeof(V) * 8 - 2), kHighest = ~V{0};
  static constexpr int kSlack = 1;
  static constexpr bool kColours = true;
  bool squared;

  static bool fits(int64_t height, int64_t width) {
    return sizeof(V) == 8 || distance::squares_below(height, width, int64_t{1} << 30);
  }
  __device__ V value(const columns::Column& c, int y, int height) const {
    const uint32_t colour = c.bits >> (y % columns::kBand) & 1;
    const uint32_t rows = columns::nearest_row(c, y, height, 1 - colour);
    return (rows == columns::kNone ? kFar : static_cast<V>(rows) * rows) << 1 | colour;
  }
  __device__ uint32_t colour(V value) const { return static_cast<uint32_t>(value & 1); }
  __device__ V least(V v, bool inside) const {
    const unsigned there = __ballot_sync(kWarp, inside), sites = __ballot_sync(kWarp, inside && (v & 1));
    const V least = least_of_warp(inside ? v : kHighest);
    return sites == 0 || sites == there ? least : 0;
  }
  __device__ V cost(V value, int x, uint32_t of) const {
    const V square = sizeof(V) == 4 ? static_cast<V>(x * x) : static_cast<V>(static_cast<int64_t>(x) * x);
    return (colour(value) == of ? value >> 1 : 0) + square;
  }
  __device__ bool far(V cost) const { return cost >= kFar; }
  __device__ float finish(V cost) const { return far(cost) ? INFINITY : distance::finish(cost, squared); }
};

// With spacings: squares in double, in units of the horizontal spacing, as on the CPU. Rounding is harmless: two
// columns that it makes equal at one pixel differ by 2 or more at the next.
struct Spaced {
  using Value = double;
  static constexpr double kHighest = INFINITY;
  static constexpr int kSlack = 0;
  static constexpr bool kColours = false;
  bool squared;
  double spacing_y, spacing_x;

  __device__ double value(const columns::Column& c, int y, int height) const {
    const uint32_t rows = columns::nearest_row(c, y, height, 1);
    return rows == columns::kNone ? kHighest : distance::spaced_square(rows, spacing_y, spacing_x);
  }
  __device__ double least(double v, bool inside) const { return least_of_warp(inside ? v : kHighest); }
  __device__ double cost(double value, int x, uint32_t) const {
    return value + static_cast<double>(static_cast<int64_t>(x) * x);
  }
  __device__ bool far(double cost) const { return cost == INFINITY; }
  __device__ float finish(double cost) const {
    return far(cost) ? INFINITY : distance::finish_spaced(cost, spacing_x, squared);
  }
};

// The 5x5 chamfer distance: the cost of the cheapest path of sides, diagonals and knight's moves. Such a path needs the
// two kinds of steps of one sector only and stays in the rectangle between its ends, so that the distance is the norm
//   max(12904 b + 65536 a, 39524 b + 52226 a), a >= b the two offsets,
// whatever lies around: the two sweeps of the CPU take the same paths, steps of the first sweep before those of the
// second, and stop at the same largest value. V: uint32_t for sides to 28,000, else uint64_t.
template <typename V>
struct Chamfer {
  using Value = V;
  static constexpr V kHighest = ~V{0}, kNoSite = sizeof(V) == 4 ? V{56000} : V{1} << 31;
  static constexpr V kOutside = kNoSite * distance::chamfer::kSide;
  static constexpr int kSlack = 0;
  static constexpr bool kColours = false;

  static bool fits(int64_t height, int64_t width) { return sizeof(V) == 8 || (height <= 28000 && width <= 28000); }
  __device__ V value(const columns::Column& c, int y, int height) const {
    const uint32_t rows = columns::nearest_row(c, y, height, 1);
    return rows == columns::kNone ? kNoSite : rows;
  }
  __device__ V least(V v, bool inside) const { return least_of_warp(inside ? v : kHighest); }
  __device__ V cost(V rows, int x, uint32_t) const {
    using namespace distance::chamfer;
    const V columns = static_cast<V>(x < 0 ? -x : x);
    const V a = rows < columns ? columns : rows, b = rows < columns ? rows : columns;
    const V flat = kSide * a + (kKnight - 2 * kSide) * b;
    const V steep = (kKnight - kDiagonal) * a + (2 * kDiagonal - kKnight) * b;
    return flat < steep ? steep : flat;
  }
  __device__ bool far(V cost) const { return cost >= kOutside; }
  __device__ float finish(V cost) const {
    const V most = distance::chamfer::kMost;
    return distance::chamfer::finish(static_cast<uint32_t>(far(cost) || cost > most ? most : cost));
  }
};

}  // namespace metrics
}  // namespace cuda
}  // namespace pyapdraw
