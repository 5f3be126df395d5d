#pragma once
// Works through a batch of images in chunks of rows, with the column distances of each chunk: see
// distance_transform_columns.h for the three steps.
#include "cpu/distance_transform_columns.h"
#include "cpu/distance_transform_vector.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"

namespace pyapdraw {
namespace PA_ISA {
namespace columns {

constexpr int64_t kPixelsPerGroup = 1 << 24;  // images that are worked on together

inline int64_t image_offset(const Tensor& t, int64_t image) {
  int64_t offset = 0;
  for (int i = t.ndim - 3; i >= 0; --i) {
    offset += image % t.shape[i] * t.stride[i];
    image /= t.shape[i];
  }
  return offset;
}

inline int64_t chunks_of(const Tensor& in) { return (in.size_back(2) + kRows - 1) / kRows; }

// What a group of images keeps between the steps: [images][chunks][width], and which colours an image has.
template <typename G>
struct Kept {
  Scratch<G> head, tail;
  Scratch<uint8_t> colours;
  Kept(int64_t images, int64_t chunks, int64_t width)
      : head(images * chunks * width), tail(images * chunks * width), colours(images * chunks) {}
};

// One chunk, for the last step. sweep(finish) calls finish(y, distances, distances downwards) for its rows.
template <typename G>
struct Chunk {
  const Rows& in;
  int64_t image;
  uint8_t colours;  // of the image: 1 for ink, 2 for paper
  const G *above, *below;
  G* memory;

  static int64_t pitch(int64_t width) { return (width + 127) / 64 * 64; }
  template <typename F>
  void sweep(const F& finish) const {
    const int64_t step = pitch(in.width);
    columns::sweep(in, above, below, memory, step, memory + kRows * step, finish);
  }
};

template <typename G>
void runs_of_chunks(const Tensor& in, const Kept<G>& kept, int64_t first, int64_t images, const Context& ctx) {
  const int64_t width = in.size_back(1), chunks = chunks_of(in);
  parallel_for(images * chunks, 1 + 8192 / (width * kRows), ctx, [&](int64_t begin, int64_t end) {
    Scratch<uint8_t> copy(Rows::copy_bytes(in)), runs(2 * width);
    for (int64_t i = begin; i < end; ++i) {
      const Rows rows(in, image_offset(in, first + i / chunks), i % chunks, copy.get());
      summarise(rows, runs.get(), runs.get() + width, kept.head.get() + i * width, kept.tail.get() + i * width);
      kept.colours[i] = colours(rows);
    }
  });
}

template <typename G>
void distances_of_chunks(const Tensor& in, const Kept<G>& kept, int64_t images, const Context& ctx) {
  constexpr int64_t kColumns = 512;
  const int64_t width = in.size_back(1), chunks = chunks_of(in), parts = (width + kColumns - 1) / kColumns;
  parallel_for(images * parts, 1, ctx, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t x = i % parts * kColumns, at = i / parts * chunks * width + x;
      connect(kept.head.get() + at, kept.tail.get() + at, width, in.size_back(2),
              width - x < kColumns ? width - x : kColumns);
    }
  });
  for (int64_t i = 0; i < images; ++i) {
    uint8_t all = 0;
    for (int64_t c = 0; c < chunks; ++c) all |= kept.colours[i * chunks + c];
    for (int64_t c = 0; c < chunks; ++c) kept.colours[i * chunks + c] = all;
  }
}

// f(chunk, memory) for every chunk of every image, with `bytes` of memory beside what the columns take.
template <typename G, typename F>
void for_each_chunk(const Tensor& in, int64_t bytes, const Context& ctx, const F& f) {
  const int64_t width = in.size_back(1), chunks = chunks_of(in), pixels = in.size_back(2) * width;
  const int64_t all = in.numel() / pixels, copies = Rows::copy_bytes(in);
  const int64_t distances = (kRows + 1) * Chunk<G>::pitch(width);
  const int64_t block_bytes = Pieces::bytes<uint8_t>(copies) + Pieces::bytes<G>(distances) + bytes;
  int64_t group = kPixelsPerGroup / pixels > 1 ? kPixelsPerGroup / pixels : 1;
  if (group > all) group = all;
  const Kept<G> kept(group, chunks, width);
  for (int64_t first = 0; first < all; first += group) {
    const int64_t images = all - first < group ? all - first : group;
    runs_of_chunks(in, kept, first, images, ctx);
    distances_of_chunks(in, kept, images, ctx);
    parallel_for(images * chunks, 1, ctx, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const Scratch<char, Origin::kept> block(block_bytes);
        Pieces memory(block.get());
        uint8_t* copy = memory.take<uint8_t>(copies);
        G* g = memory.take<G>(distances);
        const int64_t image = first + i / chunks;
        const Rows rows(in, image_offset(in, image), i % chunks, copy);
        f(Chunk<G>{rows, image, kept.colours[i], kept.tail.get() + i * width, kept.head.get() + i * width, g}, &memory);
      }
    });
  }
}

}  // namespace columns
}  // namespace PA_ISA
}  // namespace pyapdraw
