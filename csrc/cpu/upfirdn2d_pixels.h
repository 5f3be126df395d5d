#pragma once
// upfirdn2d on channel-last images. A tile is E neighbouring channels of a strip of output pixels: along x, a pixel's
// vector of channels is the weighted sum of the vectors of the pixels under its taps, so that every load is a whole
// vector, whatever the factors. The lines of a strip stay in L1 until the rows that need them are written.
#include <cstring>
#include <type_traits>

#include "cpu/lanes.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"
#include "cpu/stream.h"
#include "cpu/upfirdn2d.h"

namespace pyapdraw {
namespace PA_ISA {
namespace fir {

namespace {

constexpr int64_t kTileFloats = 2048;  // of a strip's line: four lines fill half of an L1 cache
constexpr int64_t kTileRows = 64;

// to[c] = sum of weight[t] * from[t * step + c], c < E.
template <int E, int Taps>
inline void pixel_sum(const float* from, int64_t step, const float* weight, int count, float* to) {
  const int taps = Taps ? Taps : count;
  lanes::Vec sum[E / lanes::kCount];
  for (int v = 0; v < E; v += lanes::kCount) sum[v / lanes::kCount] = weight[0] * lanes::load(from + v);
  for (int t = 1; t < taps; ++t)
    for (int v = 0; v < E; v += lanes::kCount) sum[v / lanes::kCount] += weight[t] * lanes::load(from + t * step + v);
  for (int v = 0; v < E; v += lanes::kCount) lanes::store(to + v, sum[v / lanes::kCount]);
}

// Four taps on a run of neighbouring pixels: each is loaded once and passed on from tap to tap.
template <int E>
inline void run_of_pixels(const float* from, int64_t step, const float* weight, int64_t pixels, float* to) {
  using lanes::Vec;
  const Vec w0 = lanes::all(weight[0]), w1 = lanes::all(weight[1]), w2 = lanes::all(weight[2]),
            w3 = lanes::all(weight[3]);
  for (int v = 0; v < E; v += lanes::kCount) {
    const float* f = from + v;
    Vec a = lanes::load(f), b = lanes::load(f + step), c = lanes::load(f + 2 * step);
    f += 3 * step;
    for (int64_t i = 0; i < pixels; ++i, f += step) {
      const Vec d = lanes::load(f);
      lanes::store(to + i * E + v, w0 * a + w1 * b + w2 * c + w3 * d);
      a = b, b = c, c = d;
    }
  }
}

template <int E>
inline void pixel_sum(const float* from, int64_t step, const float* weight, int count, float* to) {
  switch (count) {
    case 0: std::memset(to, 0, E * sizeof(float)); return;
    case 1: return pixel_sum<E, 1>(from, step, weight, count, to);
    case 2: return pixel_sum<E, 2>(from, step, weight, count, to);
    case 3: return pixel_sum<E, 3>(from, step, weight, count, to);
    case 4: return pixel_sum<E, 4>(from, step, weight, count, to);
    default: return pixel_sum<E, 0>(from, step, weight, count, to);
  }
}

struct Taps {
  int64_t from;  // source sample of the first
  int count, weight;
};

// The taps of an output sample that lie inside the source.
inline Taps taps_of(const Axis<float>& a, int64_t i) {
  const auto& p = a.phase[i % a.period];
  const int64_t start = p.start + i / a.period * a.advance, end = start + p.count;
  const int64_t from = start > 0 ? start : 0, to = end < a.size ? end : a.size;
  return {from, to > from ? static_cast<int>(to - from) : 0, p.first + static_cast<int>(from - start)};
}

template <typename T, int E>
struct Pixels {
  const Tensor &x, &out;
  const Filter2d<float>& filter;
  const Axis<float>&ax, &ay;
  bool stream;

  struct Tile {
    int64_t n, channel, top, bottom, left, right;  // of the output
  };
  struct Columns;

  // Source pixels [from, to) of a row as floats; in place where they are.
  const float* source(const T* row, int64_t from, int64_t to, float* room, int64_t* step) const {
    if (std::is_same<T, float>::value) {
      *step = x.stride[3];
      return reinterpret_cast<const float*>(row + from * x.stride[3]);
    }
    *step = E;
    for (int64_t i = from; i < to; ++i)
      for (int v = 0; v < E; v += lanes::kCount)
        lanes::store(room + (i - from) * E + v, lanes::load(row + i * x.stride[3] + v));
    return room;
  }

  static void store(lanes::Vec x, T* to, bool past_caches) {
    if constexpr (std::is_same<T, float>::value)
      if (past_caches) return lanes::stream(to, x);
    lanes::store(to, x);
  }

  // An output row from the lines under its taps.
  template <int Count>
  void along_y(const float* const* lines, const float* weight, int64_t pixels, T* row) const {
    const float* from[Count];
    lanes::Vec w[Count];
    for (int t = 0; t < Count; ++t) from[t] = lines[t], w[t] = lanes::all(weight[t]);
    const int64_t step = out.stride[3];
    const bool past_caches = stream;
    for (int64_t i = 0; i < pixels * E; i += E, row += step)
      for (int v = 0; v < E; v += lanes::kCount) {
        lanes::Vec sum = w[0] * lanes::load(from[0] + i + v);
        for (int t = 1; t < Count; ++t) sum += w[t] * lanes::load(from[t] + i + v);
        store(sum, row + v, past_caches);
      }
  }
  void along_y(const float* const* lines, const float* weight, int count, int64_t pixels, T* row) const {
    for (int64_t i = 0; i < pixels; ++i, row += out.stride[3])
      for (int v = 0; v < E; v += lanes::kCount) {
        lanes::Vec sum = {};
        for (int t = 0; t < count; ++t) sum += weight[t] * lanes::load(lines[t] + i * E + v);
        store(sum, row + v, stream);
      }
  }

  void along_x(const T* row, const Columns& columns, int64_t count, float* room, float* line) const {
    int64_t step;
    const float* from = source(row, columns.first, columns.last, room, &step);
    for (int64_t i = 0; i < count;) {
      const Taps& t = columns.at[i];
      const float* first = from + (t.from - columns.first) * step;
      int64_t run = 1;
      if (t.count == 4 && ax.period == 1 && ax.advance == 1)
        while (i + run < count && columns.at[i + run].count == 4) ++run;
      if (run > 1)
        run_of_pixels<E>(first, step, ax.weight + t.weight, run, line + i * E);
      else
        pixel_sum<E>(first, step, ax.weight + t.weight, t.count, line + i * E);
      i += run;
    }
  }

  // A tile's rows are short pieces far apart, which the processor does not foresee: the next one is asked for early.
  template <int Write>
  static void fetch(const T* row, int64_t step, int64_t pixels) {
    for (int64_t i = 0; i < pixels; ++i, row += step)
      for (int v = 0; v < E; v += 64 / static_cast<int>(sizeof(T))) __builtin_prefetch(row + v, Write, 2);
  }

  void separable(const Tile& tile, const Columns& columns) const {
    const int64_t count = tile.right - tile.left, width = count * E, ring = ay.most ? ay.most : 1;
    Scratch<float> lines(ring * width);
    Scratch<float> room(std::is_same<T, float>::value ? 0 : (columns.last - columns.first) * E);
    const T* in = x.as<T>() + tile.n * x.stride[0] + tile.channel;
    T* to = out.as<T>() + tile.n * out.stride[0] + tile.channel;
    int64_t next = 0;  // source row that has not been filtered yet
    for (int64_t oy = tile.top; oy < tile.bottom; ++oy) {
      const Taps t = taps_of(ay, oy);
      if (next < t.from) next = t.from;
      for (; next < t.from + t.count; ++next) {
        if (next + 1 < ay.size)
          fetch<0>(in + (next + 1) * x.stride[2] + columns.first * x.stride[3], x.stride[3],
                   columns.last - columns.first);
        along_x(in + next * x.stride[2], columns, count, room.get(), lines.get() + next % ring * width);
      }
      const float *taps[kMostTaps], *weight = ay.weight + t.weight;
      for (int k = 0; k < t.count; ++k) taps[k] = lines.get() + (t.from + k) % ring * width;
      T* row = to + oy * out.stride[2] + tile.left * out.stride[3];
      if (!stream && oy + 1 < tile.bottom) fetch<1>(row + out.stride[2], out.stride[3], count);
      switch (t.count) {
        case 1: along_y<1>(taps, weight, count, row); break;
        case 2: along_y<2>(taps, weight, count, row); break;
        case 3: along_y<3>(taps, weight, count, row); break;
        case 4: along_y<4>(taps, weight, count, row); break;
        default: along_y(taps, weight, t.count, count, row);
      }
    }
  }

  void direct(const Tile& tile, const Columns& columns) const {
    const T* in = x.as<T>() + tile.n * x.stride[0] + tile.channel;
    T* to = out.as<T>() + tile.n * out.stride[0] + tile.channel;
    for (int64_t oy = tile.top; oy < tile.bottom; ++oy) {
      const Taps rows = taps_of(ay, oy);
      for (int64_t ox = tile.left; ox < tile.right; ++ox) {
        const Taps& t = columns.at[ox - tile.left];
        lanes::Vec sum[E / lanes::kCount] = {};
        for (int k = 0; k < rows.count; ++k)
          for (int l = 0; l < t.count; ++l) {
            const float w = filter.gain * filter.at(ax.tap[t.weight + l], ay.tap[rows.weight + k]);
            const T* from = in + (rows.from + k) * x.stride[2] + (t.from + l) * x.stride[3];
            for (int v = 0; v < E; v += lanes::kCount) sum[v / lanes::kCount] += w * lanes::load(from + v);
          }
        for (int v = 0; v < E; v += lanes::kCount)
          store(sum[v / lanes::kCount], to + oy * out.stride[2] + ox * out.stride[3] + v, stream);
      }
    }
  }

  // The taps of every column of a tile, and the source columns that they span.
  struct Columns {
    Taps at[kTileFloats / E];
    int64_t first, last;

    Columns(const Axis<float>& a, const Tile& tile) : first(a.size), last(0) {
      for (int64_t i = tile.left; i < tile.right; ++i) {
        const Taps t = at[i - tile.left] = taps_of(a, i);
        if (t.count == 0) continue;
        if (t.from < first) first = t.from;
        if (t.from + t.count > last) last = t.from + t.count;
      }
      if (first > last) first = last = 0;
    }
  };

  void tile(const Tile& where) const {
    const Columns columns(ax, where);
    filter.separable ? separable(where, columns) : direct(where, columns);
  }

  void run(const Context& ctx) const {
    const int64_t channels = out.shape[1], height = out.shape[2], width = out.shape[3];
    const int64_t strip = kTileFloats / E < width ? kTileFloats / E : width, strips = (width + strip - 1) / strip;
    const int64_t bands = (height + kTileRows - 1) / kTileRows, blocks = channels / E;
    parallel_for(out.shape[0] * bands * blocks * strips, 1, ctx, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        Tile t;
        t.left = i % strips * strip;
        t.channel = i / strips % blocks * E;
        t.top = i / strips / blocks % bands * kTileRows;
        t.n = i / strips / blocks / bands;
        t.right = t.left + strip < width ? t.left + strip : width;
        t.bottom = t.top + kTileRows < height ? t.top + kTileRows : height;
        tile(t);
        if (t.channel + 2 * E > channels && t.channel + E < channels) {  // what is left overlaps this block
          t.channel = channels - E;
          tile(t);
        }
      }
      if (stream) stream_fence();
    });
  }
};

}  // namespace

template <typename T, int E>
inline void run_pixels(const Tensor& x, const Tensor& out, const Filter2d<float>& filter, const Axis<float>& ax,
                       const Axis<float>& ay, const Context& ctx) {
  const auto whole_lines = [](int64_t bytes) { return bytes % 64 == 0; };
  const int64_t item = sizeof(T);
  const bool stream = out.numel() * item >= kStreamBytes && whole_lines(E * item) &&
                      whole_lines(reinterpret_cast<intptr_t>(out.data)) && whole_lines(out.stride[3] * item) &&
                      whole_lines(out.stride[2] * item) && whole_lines(out.stride[0] * item);
  Pixels<T, E>{x, out, filter, ax, ay, stream}.run(ctx);
}

template <typename T>
inline void run_pixels(const Tensor& x, const Tensor& out, const Filter2d<float>& filter, const Axis<float>& ax,
                       const Axis<float>& ay, const Context& ctx) {
  const int64_t channels = out.shape[1];
  if (channels % 64 == 0)
    run_pixels<T, 64>(x, out, filter, ax, ay, ctx);
  else if (channels % 32 == 0)
    run_pixels<T, 32>(x, out, filter, ax, ay, ctx);
  else
    run_pixels<T, 16>(x, out, filter, ax, ay, ctx);
}

// Whether channels are adjacent in memory and enough to fill vectors.
inline bool by_pixels(const Tensor& x, const Tensor& out) {
  return x.stride[1] == 1 && out.stride[1] == 1 && out.shape[1] >= 16;
}

}  // namespace fir
}  // namespace PA_ISA
}  // namespace pyapdraw
