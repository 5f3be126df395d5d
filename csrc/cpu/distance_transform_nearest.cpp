// Exact Euclidean distance transform with spacings and with the index of the nearest site: columns as in
// distance_transform.cpp, rows by the lower envelope of parabolas, one pixel after another, which knows the source of
// every pixel. Ties: the upper one of two sites of a column unless the lower one is as near, then whichever the envelope
// kept; the order of work is fixed, so that neither threads nor instruction sets change the choice.
// Numerics: integers where both spacings are 1; else squares in double, in units of the horizontal spacing.
#include <limits>

#include "core/distance_transform_math.h"
#include "cpu/distance_transform_chunks.h"
#include "cpu/distance_transform_envelope.h"
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
  const double d2 = square * (o.spacing_x * o.spacing_x);
  return static_cast<float>(o.squared ? d2 : std::sqrt(d2));
}

inline void square_of(int64_t rows, const DistanceOptions&, int64_t* out) { *out = rows * rows; }
inline void square_of(int64_t rows, const DistanceOptions& o, double* out) {
  const double d = static_cast<double>(rows) * (o.spacing_y / o.spacing_x);
  *out = d * d;
}

template <typename D, typename G>
void one_row(const Job& job, const columns::Chunk<G>& chunk, int64_t y, const G* g, const G* down, Envelope<D>* lower) {
  const int64_t width = chunk.in.width, step = job.distance.stride_back(1);
  const bool indices = job.nearest.numel() > 0;
  const uint8_t* ink = chunk.in[y];
  float* out = row_of<float>(job.distance, chunk.image, y);
  for (int64_t s = 0; s < width; ++s) {
    if (ink[s] == 0 && g[s] == columns::none_of<G>())
      lower->square(s) = -1;
    else
      square_of(ink[s] ? 0 : static_cast<int64_t>(g[s]), job.options, &lower->square(s));
  }
  const bool any = lower->run(0, width - 1, 0, width);
  for (int64_t x = 0; x < width; ++x) {
    out[x * step] = any ? finished(lower->squared_distance(x), job.options) : std::numeric_limits<float>::infinity();
    if (!indices) continue;
    const int64_t s = any ? lower->nearest(x) : 0;
    const int64_t away = ink[s] ? 0 : g[s] == down[s] ? static_cast<int64_t>(g[s]) : -static_cast<int64_t>(g[s]);
    put_index(job.nearest, chunk.image, y, x, any ? (y + away) * width + s : -1);
  }
}

template <typename D, typename G>
void transform(const Tensor& sites, const Job& job, const Context& ctx) {
  columns::for_each_chunk<G>(sites, 0, ctx, [&](const columns::Chunk<G>& chunk, lanes::Pieces*) {
    Envelope<D> lower(chunk.in.width);
    chunk.sweep([&](int64_t y, const G* g, const G* down) { one_row(job, chunk, y, g, down, &lower); });
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
  if (options.spacing_y == 1 && options.spacing_x == 1)
    transform<int64_t>(sites, job, ctx);
  else
    transform<double>(sites, job, ctx);
}

}  // namespace PA_ISA
}  // namespace pyapdraw
