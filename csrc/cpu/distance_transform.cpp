// Exact Euclidean distance transform of a batch of images, to one colour or to both.
// Method: squared distances separate [Felzenszwalb, Huttenlocher 2012]:
//   d2(x, y) = min over x' of g(x', y)^2 + (x - x')^2, with g the distance within a column.
// Columns: distance_transform_columns.h, in chunks of 32 rows; rows: distance_transform_rows.h, right after their
// column distances, while those are in the cache. A pixel of one colour is 0 in the map of that colour, so that one
// number a pixel, the column distance to the other colour, serves both maps.
// Numerics: integers throughout (64-bit where needed), one rounding at the end: results depend neither on the number
// of threads nor on the instruction set.
// Limits: sides up to 2^30. Memory beside the output: 1/8 byte a pixel, and 32 rows a thread.
#include <limits>

#include "core/distance_transform_math.h"
#include "core/workspace.h"
#include "cpu/distance_transform_columns.h"
#include "cpu/distance_transform_rows.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"

namespace pyapdraw {
namespace PA_ISA {
namespace {

constexpr int64_t kPixelsPerGroup = 1 << 24;  // images that are worked on together
constexpr int64_t kPastCaches = 8 << 20;      // bytes of output from which it is written past the caches

int64_t image_offset(const Tensor& t, int64_t image) {
  int64_t offset = 0;
  for (int i = t.ndim - 3; i >= 0; --i) {
    offset += image % t.shape[i] * t.stride[i];
    image /= t.shape[i];
  }
  return offset;
}

// One call: the images, and where their maps go (null: not wanted).
struct Job {
  const Tensor& in;
  const Tensor* to_ink;
  const Tensor* to_paper;
  const rows::Shape& shape;
  const Context& ctx;
  int64_t images, chunks;
  bool past_caches;
};

// What a group of images keeps between the steps: [images][chunks][width], and which colours a chunk has.
template <typename G>
struct Kept {
  Scratch<G> head, tail;
  Scratch<uint8_t> colours;
  Kept(int64_t images, int64_t chunks, int64_t width)
      : head(images * chunks * width), tail(images * chunks * width), colours(images * chunks) {}
};

template <typename G>
void runs_of_chunks(const Job& job, const Kept<G>& kept, int64_t first, int64_t images) {
  const int64_t width = job.shape.width;
  parallel_for(images * job.chunks, 1 + 8192 / (width * columns::kRows), job.ctx, [&](int64_t begin, int64_t end) {
    Scratch<uint8_t> copy(columns::Rows::copy_bytes(job.in)), runs(2 * width);
    for (int64_t i = begin; i < end; ++i) {
      const columns::Rows in(job.in, image_offset(job.in, first + i / job.chunks), i % job.chunks, copy.get());
      columns::summarise(in, runs.get(), runs.get() + width, kept.head.get() + i * width, kept.tail.get() + i * width);
      kept.colours[i] = columns::colours(in);
    }
  });
}

template <typename G>
void distances_of_chunks(const Job& job, const Kept<G>& kept, int64_t images) {
  constexpr int64_t kColumns = 512;
  const int64_t width = job.shape.width, parts = (width + kColumns - 1) / kColumns;
  parallel_for(images * parts, 1, job.ctx, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t image = i / parts, x = i % parts * kColumns;
      const int64_t at = image * job.chunks * width + x;
      columns::connect(kept.head.get() + at, kept.tail.get() + at, width, job.shape.height,
                       width - x < kColumns ? width - x : kColumns);
    }
  });
  parallel_for(images, 64, job.ctx, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      uint8_t all = 0;
      for (int64_t c = 0; c < job.chunks; ++c) all |= kept.colours[i * job.chunks + c];
      for (int64_t c = 0; c < job.chunks; ++c) kept.colours[i * job.chunks + c] = all;
    }
  });
}

// One map of the rows of a task.
template <typename G>
class Output {
 public:
  Output(const Job& job, bool ink, lanes::Pieces* memory)
      : map_(ink ? job.to_ink : job.to_paper),
        colour_(ink ? 1 : 2),
        past_(job.past_caches),
        pass_(job.shape, ink, memory) {}

  void row(int64_t image, int64_t y, uint8_t colours, const G* g, const uint8_t* ink) {
    float* to = map_->template as<float>() + image_offset(*map_, image) + y * map_->stride_back(2);
    const int64_t width = map_->size_back(1), step = map_->stride_back(1);
    if (colours & colour_) return pass_.run(g, ink, to, step, past_);
    for (int64_t x = 0; x < width; ++x) to[x * step] = std::numeric_limits<float>::infinity();
  }

 private:
  const Tensor* map_;
  const uint8_t colour_;
  const bool past_;
  rows::Pass<G> pass_;
};

template <typename G>
void rows_of_chunks(const Job& job, const Kept<G>& kept, int64_t first, int64_t images) {
  const int64_t width = job.shape.width, pitch = (width + 127) / 64 * 64;
  const int64_t copies = columns::Rows::copy_bytes(job.in);
  const size_t bytes = lanes::Pieces::bytes<uint8_t>(copies) + lanes::Pieces::bytes<G>((columns::kRows + 1) * pitch) +
                       2 * rows::Pass<G>::bytes(job.shape);
  parallel_for(images * job.chunks, 1, job.ctx, [&](int64_t begin, int64_t end) {
    const Workspace block(bytes);
    lanes::Pieces memory(block.get());
    uint8_t* copy = memory.take<uint8_t>(copies);
    G* g = memory.take<G>((columns::kRows + 1) * pitch);
    Output<G> to_ink(job, true, &memory), to_paper(job, false, &memory);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t image = first + i / job.chunks;
      const columns::Rows in(job.in, image_offset(job.in, image), i % job.chunks, copy);
      columns::sweep(in, kept.tail.get() + i * width, kept.head.get() + i * width, g, pitch,
                     g + columns::kRows * pitch, [&](int64_t y, const G* here, const G*) {
                       if (job.to_ink) to_ink.row(image, y, kept.colours[i], here, in[y]);
                       if (job.to_paper) to_paper.row(image, y, kept.colours[i], here, in[y]);
                     });
    }
    lanes::settle(job.past_caches);
  });
}

template <typename G>
void transform(const Job& job) {
  const int64_t pixels = job.shape.height * job.shape.width;
  int64_t group = kPixelsPerGroup / pixels > 1 ? kPixelsPerGroup / pixels : 1;
  if (group > job.images) group = job.images;
  const Kept<G> kept(group, job.chunks, job.shape.width);
  for (int64_t first = 0; first < job.images; first += group) {
    const int64_t images = job.images - first < group ? job.images - first : group;
    runs_of_chunks(job, kept, first, images);
    distances_of_chunks(job, kept, images);
    rows_of_chunks(job, kept, first, images);
  }
}

void transform(const Tensor& in, const Tensor* to_ink, const Tensor* to_paper, bool squared, const Context& ctx) {
  const rows::Shape shape(in.size_back(2), in.size_back(1), squared);
  const int64_t images = in.numel() / (shape.height * shape.width);
  const int64_t bytes = in.numel() * static_cast<int64_t>(sizeof(float)) * (to_ink && to_paper ? 2 : 1);
  const Job job{in,  to_ink, to_paper, shape,
                ctx, images, (shape.height + columns::kRows - 1) / columns::kRows, bytes > kPastCaches};
  if (shape.height < columns::none_of<uint16_t>())
    transform<uint16_t>(job);
  else
    transform<int32_t>(job);
}

}  // namespace

void distance_transform(const Tensor& sites, const Tensor& distance, bool squared, const Context& ctx) {
  transform(sites, &distance, nullptr, squared, ctx);
}

void distance_transform_pair(const Tensor& ink, const Tensor& to_ink, const Tensor& to_paper, bool squared,
                             const Context& ctx) {
  transform(ink, &to_ink, &to_paper, squared, ctx);
}

}  // namespace PA_ISA
}  // namespace pyapdraw
