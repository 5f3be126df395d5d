// Exact Euclidean distance transform with spacings and with the index of the nearest site: columns as in
// distance_transform.cpp; rows by the search of distance_transform_rows.h where spacings are 1 and 32 bits suffice,
// else by the lower envelope of parabolas, one pixel after another. Ties: the lower one of two sites of a column, then
// whichever the row pass met first; the order of work is fixed, so that neither threads nor instruction sets change the
// choice.
// Numerics: integers where both spacings are 1; else squares in double, in units of the horizontal spacing.
#include <limits>

#include "core/distance_transform_math.h"
#include "cpu/distance_transform_chunks.h"
#include "cpu/distance_transform_envelope.h"
#include "cpu/distance_transform_rows.h"
#include "cpu/kernels.h"

namespace pyapdraw {
namespace PA_ISA {
namespace {

struct Job {
  const Tensor& distance;
  const Tensor& nearest;  // no elements: not wanted
  DistanceOptions options;
};

// Where row y of an image starts.
template <typename T>
T* row_of(const Tensor& t, int64_t image, int64_t y) {
  return t.as<T>() + columns::image_offset(t, image) + y * t.stride_back(2);
}

inline void put_index(const Tensor& nearest, int64_t image, int64_t y, int64_t x, int64_t index) {
  const int64_t at = x * nearest.stride_back(1);
  if (nearest.dtype == DType::i32)
    row_of<int32_t>(nearest, image, y)[at] = static_cast<int32_t>(index);
  else
    row_of<int64_t>(nearest, image, y)[at] = index;
}

inline float finished(int64_t square, const DistanceOptions& o) { return distance::finish(square, o.squared); }
inline float finished(double square, const DistanceOptions& o) {
  return distance::finish_spaced(square, o.spacing_x, o.squared);
}

inline void square_of(int64_t rows, const DistanceOptions&, int64_t* out) { *out = rows * rows; }
inline void square_of(int64_t rows, const DistanceOptions& o, double* out) {
  *out = distance::spaced_square(rows, o.spacing_y, o.spacing_x);
}

// Column s as a source for row y: the flat index of its site.
template <typename G>
inline int64_t site_of(int64_t y, int64_t s, int64_t width, const uint8_t* ink, const G* g, const G* down) {
  const int64_t away = ink[s] ? 0 : g[s] == down[s] ? static_cast<int64_t>(g[s]) : -static_cast<int64_t>(g[s]);
  return (y + away) * width + s;
}

template <typename G>
void row_without_sites(const Job& job, const columns::Chunk<G>& chunk, int64_t y) {
  float* out = row_of<float>(job.distance, chunk.image, y);
  for (int64_t x = 0; x < chunk.in.width; ++x) {
    out[x * job.distance.stride_back(1)] = std::numeric_limits<float>::infinity();
    if (job.nearest.numel() > 0) put_index(job.nearest, chunk.image, y, x, -1);
  }
}

template <typename D, typename G>
void by_envelope(const Job& job, const columns::Chunk<G>& chunk, int64_t y, const G* g, const G* down,
                 Envelope<D>* lower) {
  const int64_t width = chunk.in.width, step = job.distance.stride_back(1);
  const uint8_t* ink = chunk.in[y];
  float* out = row_of<float>(job.distance, chunk.image, y);
  for (int64_t s = 0; s < width; ++s) {
    if (ink[s] == 0 && g[s] == columns::none_of<G>())
      lower->square(s) = -1;
    else
      square_of(ink[s] ? 0 : static_cast<int64_t>(g[s]), job.options, &lower->square(s));
  }
  lower->run(0, width - 1, 0, width);
  for (int64_t x = 0; x < width; ++x) {
    out[x * step] = finished(lower->squared_distance(x), job.options);
    if (job.nearest.numel() > 0)
      put_index(job.nearest, chunk.image, y, x, site_of(y, lower->nearest(x), width, ink, g, down));
  }
}

template <typename D, typename G>
void transform(const Tensor& sites, const Job& job, const Context& ctx) {
  columns::for_each_chunk<G>(sites, 0, ctx, [&](const columns::Chunk<G>& chunk, Pieces*) {
    Envelope<D> lower(sites.size_back(2), chunk.in.width);
    chunk.sweep([&](int64_t y, const G* g, const G* down) {
      if (chunk.colours & 1)
        by_envelope(job, chunk, y, g, down, &lower);
      else
        row_without_sites(job, chunk, y);
    });
  });
}

// A row of indices into 32 or 64 bits.
template <typename I, typename G>
void put_sites(const columns::Chunk<G>& chunk, int64_t y, const int32_t* source, const G* g, const G* down, I* to,
               int64_t step) {
  const uint8_t* ink = chunk.in[y];
  for (int64_t x = 0; x < chunk.in.width; ++x)
    to[x * step] = static_cast<I>(site_of(y, source[x], chunk.in.width, ink, g, down));
}

template <typename G>
void transform_narrow(const Tensor& sites, const rows::Shape& shape, const Job& job, const Context& ctx) {
  const int64_t room = (shape.width + rows::kInts - 1) / rows::kInts * rows::kInts, step = job.nearest.stride_back(1);
  const int64_t bytes = rows::Pass<G>::bytes(shape) + 2 * Pieces::bytes<int32_t>(room);
  columns::for_each_chunk<G>(sites, bytes, ctx, [&](const columns::Chunk<G>& chunk, Pieces* memory) {
    rows::Pass<G> pass(shape, true, memory);
    int32_t *source = memory->take<int32_t>(room), *square = memory->take<int32_t>(room);
    chunk.sweep([&](int64_t y, const G* g, const G* down) {
      if (!(chunk.colours & 1)) return row_without_sites(job, chunk, y);
      pass.run_sources(g, chunk.in[y], source, square);
      float* out = row_of<float>(job.distance, chunk.image, y);
      const int64_t out_step = job.distance.stride_back(1);
      for (int64_t x = 0; x < shape.width; ++x) out[x * out_step] = distance::finish(square[x], shape.squared);
      if (job.nearest.dtype == DType::i32)
        put_sites(chunk, y, source, g, down, row_of<int32_t>(job.nearest, chunk.image, y), step);
      else
        put_sites(chunk, y, source, g, down, row_of<int64_t>(job.nearest, chunk.image, y), step);
    });
  });
}

template <typename D>
void transform(const Tensor& sites, const Job& job, const Context& ctx) {
  if (sites.size_back(2) < columns::none_of<uint16_t>())
    transform<D, uint16_t>(sites, job, ctx);
  else
    transform<D, int32_t>(sites, job, ctx);
}

}  // namespace

void distance_transform_nearest(const Tensor& sites, const Tensor& distance, const Tensor& nearest,
                                const DistanceOptions& options, const Context& ctx) {
  const Job job{distance, nearest, options};
  if (options.spacing_y != 1 || options.spacing_x != 1) return transform<double>(sites, job, ctx);
  const rows::Shape shape(sites.size_back(2), sites.size_back(1), options.squared);
  if (shape.narrow)
    transform_narrow<uint16_t>(sites, shape, job, ctx);
  else
    transform<int64_t>(sites, job, ctx);
}

}  // namespace PA_ISA
}  // namespace pyapdraw
