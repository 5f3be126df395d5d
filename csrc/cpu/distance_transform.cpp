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
#include "cpu/distance_transform_chunks.h"
#include "cpu/distance_transform_rows.h"
#include "cpu/kernels.h"

namespace pyapdraw {
namespace PA_ISA {
namespace {

constexpr int64_t kPastCaches = 8 << 20;  // bytes of output from which it is written past the caches

// One call: where the maps go (null: not wanted).
struct Job {
  const Tensor* to_ink;
  const Tensor* to_paper;
  const rows::Shape& shape;
  bool past_caches;
};

// One map of the rows of a chunk.
template <typename G>
class Output {
 public:
  Output(const Job& job, bool ink, Pieces* memory)
      : map_(ink ? job.to_ink : job.to_paper),
        colour_(ink ? 1 : 2),
        past_(job.past_caches),
        pass_(job.shape, ink, memory) {}

  void row(const columns::Chunk<G>& chunk, int64_t y, const G* g) {
    if (!map_) return;
    float* to = map_->template as<float>() + columns::image_offset(*map_, chunk.image) + y * map_->stride_back(2);
    const int64_t width = map_->size_back(1), step = map_->stride_back(1);
    if (chunk.colours & colour_) return pass_.run(g, chunk.in[y], to, step, past_);
    for (int64_t x = 0; x < width; ++x) to[x * step] = std::numeric_limits<float>::infinity();
  }

 private:
  const Tensor* map_;
  const uint8_t colour_;
  const bool past_;
  rows::Pass<G> pass_;
};

template <typename G>
void transform(const Tensor& in, const Job& job, const Context& ctx) {
  const auto chunk_rows = [&](const columns::Chunk<G>& chunk, Pieces* memory) {
    Output<G> to_ink(job, true, memory), to_paper(job, false, memory);
    chunk.sweep([&](int64_t y, const G* g, const G*) {
      to_ink.row(chunk, y, g);
      to_paper.row(chunk, y, g);
    });
    registers::settle(job.past_caches);
  };
  columns::for_each_chunk<G>(in, 2 * rows::Pass<G>::bytes(job.shape), ctx, chunk_rows);
}

void transform(const Tensor& in, const Tensor* to_ink, const Tensor* to_paper, bool squared, const Context& ctx) {
  const rows::Shape shape(in.size_back(2), in.size_back(1), squared);
  const int64_t bytes = in.numel() * static_cast<int64_t>(sizeof(float)) * (to_ink && to_paper ? 2 : 1);
  const Job job{to_ink, to_paper, shape, bytes > kPastCaches};
  if (shape.height < columns::none_of<uint16_t>())
    transform<uint16_t>(in, job, ctx);
  else
    transform<int32_t>(in, job, ctx);
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
