// Exact Euclidean distance transform of a batch of images with spacings and with the index of the nearest site.
// Method: as distance_transform.cu; the row pass knows the nearest column of each pixel, and the site in that column is
// read off the bits of the column pass once more.
// Ties: the leftmost column, in it the lower site. Numerics: integers where both spacings are 1, else double.
// Memory and limits: as distance_transform.cu.
#include "cuda/distance_transform_output.cuh"
#include "cuda/distance_transform_rows.cuh"
#include "cuda/kernels.h"

namespace pyapdraw {
namespace cuda {
namespace {

// A map of distances and, where `indices`, one of flat indices of type I.
template <typename I>
struct Nearest {
  output::Map distance;
  columns::Images nearest;
  bool indices;

  struct Place {
    output::Map::Place distance;
    I* to;
    int64_t row, column;
    columns::Columns columns;
    int64_t image;
    int y;

    template <class Metric, class Found>
    __device__ I index(const Metric& metric, int r, const Found& found) const {
      if (metric.far(found.cost)) return -1;
      const columns::Column c = columns::at(columns, image, y / columns::kBand, found.at);
      const uint32_t up = columns::rows_up(c, y + r, 1), down = columns::rows_down(c, y + r, columns.height, 1);
      const int64_t site = down <= up ? y + r + static_cast<int64_t>(down) : y + r - static_cast<int64_t>(up);
      return static_cast<I>(site * columns.width + found.at);
    }
    template <class Metric, class Found>
    __device__ void put(const Metric& metric, int r, int x, int count, const Found (&found)[4],
                        const uint32_t (&colour)[4]) const {
      distance.put(metric, r, x, count, found, colour);
      if (!to) return;
      I* const at = to + r * row + x * column;
#pragma unroll
      for (int k = 0; k < 4; ++k)
        if (k < count) at[k * column] = index(metric, r, found[k]);
    }
  };
  __device__ Place place(const columns::Columns& c, int64_t image, int y) const {
    I* const to = indices ? nearest.image<I>(image) + y * nearest.row : nullptr;
    return {distance.place(c, image, y), to, nearest.row, nearest.column, c, image, y};
  }
};

template <class Metric>
void transform(const Tensor& sites, const Tensor& distance, const Tensor& nearest, const Metric& metric,
               const Context& ctx) {
  const output::Map map(distance);
  const bool indices = nearest.numel() > 0;
  const columns::Images to(indices ? nearest : distance);
  if (nearest.dtype == DType::i64)
    rows::transform("distance_transform", sites, metric, Nearest<int64_t>{map, to, indices}, ctx);
  else
    rows::transform("distance_transform", sites, metric, Nearest<int32_t>{map, to, indices}, ctx);
}

}  // namespace

void distance_transform_nearest(const Tensor& sites, const Tensor& distance, const Tensor& nearest,
                                const DistanceOptions& options, const Context& ctx) {
  using Narrow = metrics::Squares<uint32_t>;
  if (options.spacing_y != 1 || options.spacing_x != 1)
    transform(sites, distance, nearest, metrics::Spaced{options.squared, options.spacing_y, options.spacing_x}, ctx);
  else if (Narrow::fits(sites.size_back(2), sites.size_back(1)))
    transform(sites, distance, nearest, Narrow{options.squared}, ctx);
  else
    transform(sites, distance, nearest, metrics::Squares<uint64_t>{options.squared}, ctx);
}

}  // namespace cuda
}  // namespace pyapdraw
