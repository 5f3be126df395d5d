#pragma once
// The column pass of the distance transform: for every pixel of a chunk of rows, the distance within its column to the
// nearest pixel of the other colour (ink or paper), which serves the maps of both colours. Three steps, so that chunks
// are independent and only 4 bytes a column and chunk are kept:
// 1. summarise: how long the run of one colour is at the top and at the bottom of each chunk;
// 2. connect: from those, the distance that enters each chunk from above and from below;
// 3. sweep: down and up through the chunk, in the cache; each row is finished as soon as its distances are known.
#include <cstdint>
#include <cstring>

#include "cpu/isa.h"
#include "cpu/scratch.h"
#include "pyapdraw/tensor.h"

namespace pyapdraw {
namespace PA_ISA {
namespace columns {

constexpr int64_t kRows = 32;  // of a chunk

// "The other colour is not in this column", for column distances of type G.
template <typename G>
constexpr G none_of() {
  return static_cast<G>(sizeof(G) == 2 ? 65535 : 2147483647);
}

template <typename G>
inline G grown(G distance, int64_t rows) {
  return distance == none_of<G>() ? distance : static_cast<G>(distance + rows);
}

// A chunk of rows of one image, and the rows above and below it (where there are none, the border row once more), each
// contiguous: copied if the image is not.
class Rows {
 public:
  static int64_t copy_bytes(const Tensor& image) {
    return image.stride_back(1) == 1 ? 0 : (kRows + 2) * image.size_back(1);
  }

  Rows(const Tensor& image, int64_t offset, int64_t chunk, uint8_t* copy) : width(image.size_back(1)) {
    const int64_t height = image.size_back(2), row_step = image.stride_back(2), step = image.stride_back(1);
    begin = chunk * kRows;
    end = begin + kRows < height ? begin + kRows : height;
    for (int64_t y = begin - 1; y <= end; ++y) {
      const int64_t inside = y < 0 ? 0 : y < height ? y : height - 1;
      const uint8_t* row = image.as<uint8_t>() + offset + inside * row_step;
      const uint8_t*& at = rows_[y - begin + 1];
      if (step == 1) {
        at = row;
        continue;
      }
      uint8_t* to = copy + (y - begin + 1) * width;
      for (int64_t x = 0; x < width; ++x) to[x] = row[x * step];
      at = to;
    }
  }

  const uint8_t* operator[](int64_t y) const { return rows_[y - begin + 1]; }

  int64_t begin, end, width;

 private:
  const uint8_t* rows_[kRows + 2];
};

inline bool same(uint8_t a, uint8_t b) { return (a != 0) == (b != 0); }

// In a head: the run goes on in the chunk above. Runs within a chunk are shorter than the flag.
constexpr int kJoined = 256;

// Runs of one colour at the top and at the bottom of a chunk.
template <typename G>
void summarise(const Rows& in, uint8_t* run, uint8_t* first, G* head, G* tail) {
  const int64_t width = in.width;
  std::memset(run, 1, width);
  std::memset(first, 1, width);
  for (int64_t y = in.begin + 1; y < in.end; ++y) {
    const uint8_t *above = in[y - 1], *here = in[y];
    const uint8_t so_far = static_cast<uint8_t>(y - in.begin);
    for (int64_t x = 0; x < width; ++x) {
      const uint8_t goes_on = same(above[x], here[x]) ? 255 : 0;
      const uint8_t whole = run[x] == so_far ? 1 : 0;
      first[x] = static_cast<uint8_t>(first[x] + (whole & goes_on));
      run[x] = static_cast<uint8_t>((run[x] & goes_on) + 1);
    }
  }
  const uint8_t *above = in[in.begin - 1], *here = in[in.begin];
  for (int64_t x = 0; x < width; ++x) {
    head[x] = static_cast<G>(first[x] + (same(above[x], here[x]) ? kJoined : 0));
    tail[x] = static_cast<G>(run[x]);
  }
}

// Which colours the chunk has: 1 for ink, 2 for paper.
inline uint8_t colours(const Rows& in) {
  uint8_t any = 0, all = 1;
  for (int64_t y = in.begin; y < in.end; ++y) {
    const uint8_t* here = in[y];
    for (int64_t x = 0; x < in.width; ++x) {
      const uint8_t ink = here[x] != 0;
      any |= ink;
      all &= ink;
    }
  }
  return static_cast<uint8_t>(any | (all ? 0 : 2));
}

// Runs of all chunks of some columns -> tail: distance from the row above a chunk to the other colour further up;
// head: the same from the row below it, further down. Both in place; chunks are `step` apart.
template <typename G>
void connect(G* head, G* tail, int64_t step, int64_t height, int64_t count) {
  constexpr int64_t kMost = 256;
  const int64_t chunks = (height + kRows - 1) / kRows;
  G carry[kMost];
  int32_t joined[kMost];
  for (int64_t x0 = 0; x0 < count; x0 += kMost) {
    const int64_t n = count - x0 < kMost ? count - x0 : kMost;
    for (int64_t x = 0; x < n; ++x) carry[x] = none_of<G>();
    for (int64_t c = 0; c < chunks; ++c) {
      const G rows = static_cast<G>((c + 1) * kRows < height ? kRows : height - c * kRows);
      G *h = head + c * step + x0, *t = tail + c * step + x0;
      for (int64_t x = 0; x < n; ++x) {
        const G entering = carry[x], run = t[x];
        const G whole = (h[x] & kJoined) ? grown(entering, rows) : rows;
        t[x] = entering;
        carry[x] = run < rows ? run : whole;
      }
    }
    for (int64_t x = 0; x < n; ++x) carry[x] = none_of<G>(), joined[x] = 1;
    for (int64_t c = chunks - 1; c >= 0; --c) {
      const G rows = static_cast<G>((c + 1) * kRows < height ? kRows : height - c * kRows);
      G* h = head + c * step + x0;
      for (int64_t x = 0; x < n; ++x) {
        const G entering = carry[x], run = static_cast<G>(h[x] & (kJoined - 1));
        const G whole = joined[x] ? grown(entering, rows) : rows;
        joined[x] = h[x] & kJoined;
        h[x] = entering;
        carry[x] = run < rows ? run : whole;
      }
    }
  }
}

template <typename G>
inline void step(const uint8_t* from, const uint8_t* here, const G* distance, G* to, int64_t width) {
  for (int64_t x = 0; x < width; ++x) {
    const G next = static_cast<G>(distance[x] + (distance[x] != none_of<G>()));
    to[x] = same(from[x], here[x]) ? next : G{1};
  }
}

// Calls finish(y, distances, distances downwards) for every row of the chunk, from the last to the first. g has room
// for the rows of a chunk, `pitch` apart.
template <typename G, typename F>
void sweep(const Rows& in, const G* above, const G* below, G* g, int64_t pitch, G* down, const F& finish) {
  const int64_t width = in.width;
  for (int64_t y = in.begin; y < in.end; ++y)
    step(in[y - 1], in[y], y == in.begin ? above : g + (y - in.begin - 1) * pitch, g + (y - in.begin) * pitch, width);
  for (int64_t y = in.end - 1; y >= in.begin; --y) {
    step(in[y + 1], in[y], y == in.end - 1 ? below : down, down, width);
    G* here = g + (y - in.begin) * pitch;
    for (int64_t x = 0; x < width; ++x) here[x] = down[x] < here[x] ? down[x] : here[x];
    finish(y, here, down);
  }
}

}  // namespace columns
}  // namespace PA_ISA
}  // namespace pyapdraw
