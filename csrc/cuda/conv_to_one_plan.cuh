#pragma once
// How a call of conv_to_one is cut into tiles. A position is an output where nothing is transposed, else the up x up
// outputs of one step. Position i along an axis takes `taps` samples from i + source on.
#include "cuda/pack.cuh"
#include "pyapdraw/ops.h"

namespace pyapdraw {
namespace cuda {
namespace to_one {

constexpr int kColumns = 32, kWarps = 4, kThreads = kColumns * kWarps;  // a warp is a row of positions
constexpr int64_t kUsualShared = 48 << 10;                              // beyond this a launch has to ask

// Channels of a group: 32 bytes a pixel.
template <typename T>
constexpr int kChannels = static_cast<int>(32 / sizeof(T));

// Rows of positions whose sums a thread keeps.
PYAPDRAW_DEVICE constexpr int rows_each(int up) { return up == 1 ? 8 : up == 2 ? 4 : 1; }
// Taps of one column of a channel, in whole packs.
PYAPDRAW_DEVICE constexpr int pitch(int taps, int up) { return (taps * up * up + 3) / 4 * 4; }

struct Axis {
  int taps;        // that one output takes
  int64_t source;  // sample of the first tap of position 0
  int64_t first;   // output of position 0 in phase 0
  int64_t tiles;

  PYAPDRAW_DEVICE int64_t output(int64_t position, int phase, int up) const { return first + position * up + phase; }
};

struct Plan {
  Axis x, y;
  int up, kernel_w, kernel_h, pitch, rows, columns;  // the last two: of a tile of samples
  bool reflect, with_bias, packs;                    // packs: 16-byte loads along channels
  Activation activation;
  int64_t tiles;
  int samples_at, shared_bytes;

  // Tap of the kernel that tap t of a phase is; not there where it is no less than the kernel's side.
  PYAPDRAW_DEVICE int tap(int phase, int t, int taps) const { return up == 1 ? t : phase + up * (taps - 1 - t); }
};

inline Axis axis(int64_t kernel, int64_t outputs, int padding, int up, int64_t positions_a_tile) {
  Axis a;
  a.taps = static_cast<int>((kernel + up - 1) / up);
  const int64_t step = padding / up;  // of output 0, which is place `padding` of the scattered image
  a.first = step * up - padding;
  a.source = up == 1 ? -static_cast<int64_t>(padding) : step - (a.taps - 1);
  const int64_t positions = (outputs - 1 + padding) / up - step + 1;
  a.tiles = (positions + positions_a_tile - 1) / positions_a_tile;
  return a;
}

template <typename T>
Plan plan(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& out, const ConvToOne& how) {
  Plan p;
  const int rows = kWarps * rows_each(how.up);
  p.x = axis(weight.shape[3], out.shape[3], how.padding, how.up, kColumns);
  p.y = axis(weight.shape[2], out.shape[2], how.padding, how.up, rows);
  p.up = how.up, p.kernel_w = static_cast<int>(weight.shape[3]), p.kernel_h = static_cast<int>(weight.shape[2]);
  p.pitch = pitch(p.y.taps, how.up), p.rows = rows + p.y.taps - 1, p.columns = kColumns + p.x.taps - 1;
  p.reflect = how.mode == Padding::reflect, p.packs = packed_along(x, 1, 16);
  p.activation = how.activation, p.with_bias = bias.numel() > 0;
  p.tiles = p.x.tiles * p.y.tiles * out.shape[0];
  p.samples_at = kChannels<T> * p.x.taps * p.pitch * 4;
  p.shared_bytes = p.samples_at + kChannels<T> * p.rows * p.columns * static_cast<int>(sizeof(T));
  return p;
}

}  // namespace to_one
}  // namespace cuda
}  // namespace pyapdraw
