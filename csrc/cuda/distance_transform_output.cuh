#pragma once
// Where the row pass of the distance transforms puts one map of floats, or a map for each colour.
#include "cuda/distance_transform_columns.cuh"

namespace pyapdraw {
namespace cuda {
namespace output {

using columns::Columns;
using columns::Images;

// A map of floats. Four neighbouring pixels go out in one store where the layout permits.
struct Map {
  Images out;
  bool fours;

  explicit Map(const Tensor& t) : out(t) {
    fours = out.column == 1 && out.row % 4 == 0 && reinterpret_cast<uintptr_t>(t.data) % sizeof(float4) == 0;
    for (const int64_t step : out.stride) fours = fours && step % 4 == 0;
  }

  struct Place {
    float* to;
    int64_t row, column;
    bool fours;

    __device__ void put(int r, int x, int count, const float (&d)[4]) const {
      float* const at = to + r * row + x * column;
      if (fours && count == 4) {
        *reinterpret_cast<float4*>(at) = make_float4(d[0], d[1], d[2], d[3]);
        return;
      }
#pragma unroll
      for (int k = 0; k < 4; ++k)
        if (k < count) at[k * column] = d[k];
    }
    // `count` pixels of row r from x on.
    template <class Metric, class Found>
    __device__ void put(const Metric& metric, int r, int x, int count, const Found (&found)[4],
                        const uint32_t (&)[4]) const {
      float d[4];
#pragma unroll
      for (int k = 0; k < 4; ++k) d[k] = metric.finish(found[k].cost);
      put(r, x, count, d);
    }
  };
  __device__ Place place(const Columns&, int64_t image, int y) const {
    return {out.image<float>(image) + y * out.row, out.row, out.column, fours};
  }
};

// The distances to the other colour, a map for each: a pixel is zero in the map of its own.
struct Maps {
  Map to_sites, to_others;

  struct Place {
    Map::Place to_sites, to_others;

    template <class Metric, class Found>
    __device__ void put(const Metric& metric, int r, int x, int count, const Found (&found)[4],
                        const uint32_t (&colour)[4]) const {
      float a[4], b[4];
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        const float d = metric.finish(found[k].cost);
        a[k] = colour[k] ? 0.0f : d;
        b[k] = colour[k] ? d : 0.0f;
      }
      to_sites.put(r, x, count, a);
      to_others.put(r, x, count, b);
    }
  };
  __device__ Place place(const Columns& c, int64_t image, int y) const {
    return {to_sites.place(c, image, y), to_others.place(c, image, y)};
  }
};

}  // namespace output
}  // namespace cuda
}  // namespace pyapdraw
