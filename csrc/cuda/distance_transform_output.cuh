#pragma once
// Where the row pass of the distance transforms puts one map of floats, or a map for each colour.
#include "cuda/distance_transform_columns.cuh"

namespace pyapdraw {
namespace cuda {
namespace output {

using columns::Columns;
using columns::Images;

// A map of floats. Two neighbouring pixels go out in one store where the layout permits.
struct Map {
  Images out;
  bool twos;

  explicit Map(const Tensor& t) : out(t) {
    twos = out.column == 1 && out.row % 2 == 0 && reinterpret_cast<uintptr_t>(t.data) % sizeof(float2) == 0;
    for (const int64_t step : out.stride) twos = twos && step % 2 == 0;
  }

  struct Place {
    float* to;
    int64_t row, column;
    bool twos;

    __device__ void put(int r, int x, float first) const { to[r * row + x * column] = first; }
    __device__ void put(int r, int x, float first, float second) const {
      float* at = to + r * row + x * column;
      if (twos)
        *reinterpret_cast<float2*>(at) = make_float2(first, second);
      else
        at[0] = first, at[column] = second;
    }
    template <class Metric, class Found>
    __device__ void put(const Metric& metric, int r, int x, const Found& first, uint32_t) const {
      put(r, x, metric.finish(first.cost));
    }
    template <class Metric, class Found>
    __device__ void put(const Metric& metric, int r, int x, const Found& first, uint32_t, const Found& second,
                        uint32_t) const {
      put(r, x, metric.finish(first.cost), metric.finish(second.cost));
    }
  };
  __device__ Place place(const Columns&, int64_t image, int y) const {
    return {out.image<float>(image) + y * out.row, out.row, out.column, twos};
  }
};

// The distances to the other colour, a map for each: a pixel is zero in the map of its own.
struct Maps {
  Map to_sites, to_others;

  struct Place {
    Map::Place to_sites, to_others;

    template <class Metric, class Found>
    __device__ void put(const Metric& metric, int r, int x, const Found& first, uint32_t colour) const {
      const float d = metric.finish(first.cost);
      to_sites.put(r, x, colour ? 0.0f : d);
      to_others.put(r, x, colour ? d : 0.0f);
    }
    template <class Metric, class Found>
    __device__ void put(const Metric& metric, int r, int x, const Found& first, uint32_t colour, const Found& second,
                        uint32_t its) const {
      const float d = metric.finish(first.cost), e = metric.finish(second.cost);
      to_sites.put(r, x, colour ? 0.0f : d, its ? 0.0f : e);
      to_others.put(r, x, colour ? d : 0.0f, its ? e : 0.0f);
    }
  };
  __device__ Place place(const Columns& c, int64_t image, int y) const {
    return {to_sites.place(c, image, y), to_others.place(c, image, y)};
  }
};

}  // namespace output
}  // namespace cuda
}  // namespace pyapdraw
