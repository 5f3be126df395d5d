#pragma once
// How a call of upfirdn2d is cut into tiles: sizes chosen on the host so that a tile with its halo fits into shared
// memory, whatever the factors and the filter.
#include <cstdint>
#include <cstdlib>

#include "cuda/dtype.cuh"
#include "cuda/pack.cuh"
#include "pyapdraw/ops.h"

namespace pyapdraw {
namespace cuda {
namespace fir {

constexpr int kThreads = 256;
constexpr int kMostTaps = 64;                  // core/upfirdn2d.cpp allows no longer filter
constexpr int kMostProductTaps = 256;          // a larger matrix is not searched for two factors
constexpr int64_t kTileBytes = 40 << 10;       // what a tile should keep to, so that several blocks share a processor
constexpr int64_t kUsualShared = 46 << 10;     // beyond this, with the rows of taps, a launch has to ask
enum Kind : int32_t { kNone, kRow, kMatrix };  // of filter
enum Loads : int32_t { kSingle, kAlongX, kAlongChannels };

struct Axis {
  int up, down, taps;
  int log_tile;    // outputs of a tile
  int span;        // samples that they need at most, with room for alignment
  int64_t before;  // zeros in front
  int64_t size;    // of the source
  int64_t tiles;
};

struct Plan {
  Axis x, y;
  int log_lanes;  // channels of a tile
  Kind kind;
  Loads pack;
  bool flip, may_be_product;
  double gain;
  int64_t channels, groups, tiles;        // groups of channels an image; tiles in all
  int rows_at, samples_at, shared_bytes;  // of shared memory, after the taps
};

inline int log2_up(int64_t n, int most) {
  int log = 0;
  while (log < most && (int64_t{1} << log) < n) ++log;
  return log;
}

inline int span_of(const Axis& a, int align) {
  const int span = ((((1 << a.log_tile) - 1) * a.down + a.taps - 1) / a.up + 1) + align - 1;
  return (span + align - 1) / align * align;
}

// Shared memory of the tile in bytes; sets what depends on its size.
template <typename T>
int64_t lay_out(Plan& p, int64_t tap_bytes) {
  const int pack = kPack<T>;
  if (p.pack == kAlongChannels && (1 << p.log_lanes) < pack) p.pack = kSingle;
  if (p.pack == kAlongX && p.log_lanes > 0) p.pack = kSingle;
  p.x.span = span_of(p.x, p.pack == kAlongX ? pack : 1);
  p.y.span = span_of(p.y, 1);
  const int64_t lanes = int64_t{1} << p.log_lanes;
  const bool rows = p.kind != kMatrix || p.may_be_product;
  const int64_t row_bytes = rows ? (p.y.span * lanes << p.x.log_tile) * static_cast<int64_t>(sizeof(Wide<T>)) : 0;
  p.rows_at = static_cast<int>((tap_bytes + 15) / 16 * 16);
  p.samples_at = static_cast<int>(p.rows_at + (row_bytes + 15) / 16 * 16);
  p.shared_bytes = static_cast<int>(p.samples_at + p.x.span * p.y.span * lanes * static_cast<int64_t>(sizeof(T)));
  return p.shared_bytes - p.rows_at;
}

template <typename T>
Plan plan(const Tensor& x, const Tensor& filter, const Tensor& out, const Resampling& how) {
  Plan p{};
  p.kind = filter.numel() == 0 ? kNone : filter.ndim == 1 ? kRow : kMatrix;
  const int width = p.kind == kNone ? 1 : static_cast<int>(filter.size_back(1));
  const int height = p.kind == kMatrix ? static_cast<int>(filter.shape[0]) : width;
  p.x = Axis{how.up[0], how.down[0], width, log2_up(out.shape[3], 5), 0, how.padding[0], x.shape[3], 0};
  p.y = Axis{how.up[1], how.down[1], height, log2_up(out.shape[2], 5), 0, how.padding[2], x.shape[2], 0};
  p.flip = how.flip_filter, p.gain = how.gain, p.channels = out.shape[1];
  p.may_be_product = p.kind == kMatrix && width * height <= kMostProductTaps;
  const auto reach = [](const Tensor& t, int i) { return t.shape[i] == 1 ? INT64_MAX : std::abs(t.stride[i]); };
  if (reach(out, 1) < reach(out, 3)) {  // channels innermost
    p.log_lanes = log2_up(p.channels, 5);
    if (p.x.log_tile > 3) p.x.log_tile = 3;
    if (p.y.log_tile > 3) p.y.log_tile = 3;
  }
  p.pack = packed_along(x, 3, 16) ? kAlongX : packed_along(x, 1, 16) ? kAlongChannels : kSingle;
  const int64_t tap_bytes = p.kind == kMatrix ? int64_t{width} * height * 4 : 0;
  while (lay_out<T>(p, tap_bytes) > kTileBytes) {
    if (p.log_lanes > 0 && p.x.log_tile + p.y.log_tile <= 4)
      --p.log_lanes;
    else if (p.x.log_tile > 0 && (p.y.log_tile == 0 || p.x.span >= p.y.span))
      --p.x.log_tile;
    else if (p.y.log_tile > 0)
      --p.y.log_tile;
    else
      break;  // one output: at most 64 x 64 samples
  }
  p.x.tiles = (out.shape[3] + (int64_t{1} << p.x.log_tile) - 1) >> p.x.log_tile;
  p.y.tiles = (out.shape[2] + (int64_t{1} << p.y.log_tile) - 1) >> p.y.log_tile;
  p.groups = (p.channels + (int64_t{1} << p.log_lanes) - 1) >> p.log_lanes;
  p.tiles = p.x.tiles * p.y.tiles * p.groups * out.shape[0];
  return p;
}

}  // namespace fir
}  // namespace cuda
}  // namespace pyapdraw
