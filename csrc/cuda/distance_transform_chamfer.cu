// OpenCV's 5x5 chamfer distance of a batch of images, to the bit of its two sweeps, without their order.
// Method: the sweeps find the cheapest path, and the cost of that is a norm of the offset (metrics::Chamfer, with the
// proof), so that it separates into columns and rows like the exact distance: two launches,
// distance_transform_columns.cu and distance_transform_rows.cuh. Numerics: integers with 16 fractional bits (64-bit for
// sides above 28,000), one rounding at the end. Memory and limits: as distance_transform.cu.
#include "cuda/distance_transform_output.cuh"
#include "cuda/distance_transform_rows.cuh"
#include "cuda/kernels.h"

namespace pyapdraw {
namespace cuda {

void distance_transform_chamfer(const Tensor& sites, const Tensor& distance, const Context& ctx) {
  using Narrow = metrics::Chamfer<uint32_t>;
  const output::Map map(distance);
  if (Narrow::fits(sites.size_back(2), sites.size_back(1)))
    rows::transform("distance_transform_chamfer", sites, Narrow{}, map, ctx);
  else
    rows::transform("distance_transform_chamfer", sites, metrics::Chamfer<uint64_t>{}, map, ctx);
}

}  // namespace cuda
}  // namespace pyapdraw
