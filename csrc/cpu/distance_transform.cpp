// Exact Euclidean distance transform of a batch of images.
// Method: squared distances separate [Felzenszwalb, Huttenlocher 2012]:
//   d2(x, y) = min over x' of g(x', y)^2 + (x - x')^2, with g the distance within a column.
// 1. Columns: two sweeps over stripes of columns, vectorised over the columns.
// 2. Rows, in blocks of one register: near offsets first, then whole source blocks by distance, as
//    long as one can still improve the block (its smallest g^2 + gap^2 against the largest value
//    in the block, and against the row above, from which a distance differs by at most 1).
//    Lanes of 16 bits; of 32 bits where a pixel is farther than 180 px from every site.
// 3. Rows that exceed a fixed number of source blocks a block (hard cases such as circles), or 32
//    bits, take the lower envelope of parabolas [Meijster, Roerdink, Hesselink 2000], which is
//    linear in the width: so is the whole transform.
// Numerics: integers throughout (64-bit where needed), one rounding at the end: results depend
// neither on the number of threads nor on the instruction set.
// Limits: sides up to 2^30.
#include "core/distance_transform_math.h"
#include "cpu/distance_transform_rows.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"

namespace pyapdraw {
namespace PA_ISA {
namespace {

constexpr int64_t kStripe = 64;               // columns swept together: one cache line of input
constexpr int64_t kRowsPerChunk = 32;         // the first row of a chunk has no row above to learn from
constexpr int64_t kPixelsPerGroup = 1 << 21;  // images whose column distances are kept at a time

int64_t image_offset(const Tensor& t, int64_t image) {
  int64_t offset = 0;
  for (int i = t.ndim - 3; i >= 0; --i) {
    offset += image % t.shape[i] * t.stride[i];
    image /= t.shape[i];
  }
  return offset;
}

// Column distances of a stripe: down, then up. A pixel is a site where it equals `site` as a
// truth value. G has to hold the height; its largest value means "no site in this column".
template <typename G>
void sweep_columns(const uint8_t* in, int64_t row_step, int64_t step, bool site, int64_t height, int64_t count, G* g,
                   int64_t width) {
  constexpr G none = none_of<G>();
  for (int64_t y = 0; y < height; ++y) {
    const uint8_t* row = in + y * row_step;
    G* here = g + y * width;
    const G* above = here - width;
    const auto next = [&](int64_t x, uint8_t pixel) {
      const G grown = y == 0 || above[x] == none ? none : static_cast<G>(above[x] + 1);
      here[x] = (pixel != 0) == site ? G{0} : grown;
    };
    if (step == 1)
      for (int64_t x = 0; x < count; ++x) next(x, row[x]);
    else
      for (int64_t x = 0; x < count; ++x) next(x, row[x * step]);
  }
  for (int64_t y = height - 2; y >= 0; --y) {
    G* here = g + y * width;
    const G* below = here + width;
    for (int64_t x = 0; x < count; ++x) {
      const G grown = below[x] == none ? none : static_cast<G>(below[x] + 1);
      here[x] = here[x] < grown ? here[x] : grown;
    }
  }
}

// One map of a group of images: where its sites are, and where it goes.
struct Map {
  const Tensor* out;
  bool site;
};

template <typename G>
void transform_group(const Tensor& in, const Map& map, int64_t first, int64_t images, bool squared, G* g,
                     const Context& ctx) {
  const int64_t height = in.size_back(2), width = in.size_back(1);
  const int64_t stripes = (width + kStripe - 1) / kStripe;
  const int64_t grain = height * kStripe < 16384 ? 16384 / (height * kStripe) : 1;
  parallel_for(images * stripes, grain, ctx, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t image = i / stripes, x = i % stripes * kStripe;
      const int64_t count = width - x < kStripe ? width - x : kStripe;
      const uint8_t* from = in.as<uint8_t>() + image_offset(in, first + image) + x * in.stride_back(1);
      sweep_columns(from, in.stride_back(2), in.stride_back(1), map.site, height, count, g + image * height * width + x,
                    width);
    }
  });
  const int64_t chunks = (height + kRowsPerChunk - 1) / kRowsPerChunk;
  parallel_for(images * chunks, 1, ctx, [&](int64_t begin, int64_t end) {
    RowPass<G> pass(height, width, squared);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t image = i / chunks, y0 = i % chunks * kRowsPerChunk;
      const int64_t y1 = y0 + kRowsPerChunk < height ? y0 + kRowsPerChunk : height;
      float* to = map.out->template as<float>() + image_offset(*map.out, first + image);
      pass.start_chunk();
      for (int64_t y = y0; y < y1; ++y)
        pass.run(g + (image * height + y) * width, to + y * map.out->stride_back(2), map.out->stride_back(1));
    }
  });
}

template <typename G>
void transform(const Tensor& in, const Map* maps, int count, bool squared, const Context& ctx) {
  const int64_t height = in.size_back(2), width = in.size_back(1), pixels = height * width;
  int64_t images = 1;
  for (int i = 0; i + 2 < in.ndim; ++i) images *= in.shape[i];
  int64_t group = kPixelsPerGroup / pixels > 1 ? kPixelsPerGroup / pixels : 1;
  if (group > images) group = images;
  Scratch<G> g(group * pixels);
  for (int64_t first = 0; first < images; first += group)
    for (int m = 0; m < count; ++m)
      transform_group(in, maps[m], first, images - first < group ? images - first : group, squared, g.get(), ctx);
}

void transform(const Tensor& in, const Map* maps, int count, bool squared, const Context& ctx) {
  if (in.size_back(2) < none_of<uint16_t>())
    transform<uint16_t>(in, maps, count, squared, ctx);
  else
    transform<int32_t>(in, maps, count, squared, ctx);
}

}  // namespace

void distance_transform(const Tensor& sites, const Tensor& distance, bool squared, const Context& ctx) {
  const Map map{&distance, true};
  transform(sites, &map, 1, squared, ctx);
}

void distance_transform_pair(const Tensor& ink, const Tensor& to_ink, const Tensor& to_paper, bool squared,
                             const Context& ctx) {
  const Map maps[] = {{&to_ink, true}, {&to_paper, false}};
  transform(ink, maps, 2, squared, ctx);
}

}  // namespace PA_ISA
}  // namespace pyapdraw
