// Exact Euclidean distance transform of a batch of images, to one colour or to both.
// Method: squared distances separate, as on the CPU (cpu/distance_transform.cpp), into two launches for a map or a
// pair:
//   d2(x, y) = min over s of g(s, y)^2 + (x - s)^2, with g the distance within a column.
// Columns: distance_transform_columns.cu packs the input to bits, once for both colours, and says how each column goes
// on beyond its band of 32 rows. Rows: distance_transform_rows.cuh reads g off the bits and finds the least sums in
// time O(W + W log W / 32) a row, whatever the image. Numerics: integers (64-bit where squares need it), one
// rounding at the end: the same bits as on the CPU. Memory: 3/8 byte a pixel of workspace; rows beyond 15,000 px
// (64-bit: 9,300) need 6.25 (10.5) bytes a column of it for each of up to 512 blocks, at most 256 MiB or one row.
// Limits: none up to sides of 2^30.
#include "cuda/distance_transform_output.cuh"
#include "cuda/distance_transform_rows.cuh"
#include "cuda/kernels.h"

namespace pyapdraw {
namespace cuda {

void distance_transform(const Tensor& sites, const Tensor& distance, bool squared, const Context& ctx) {
  using Narrow = metrics::Squares<uint32_t>;
  const output::Map map(distance);
  if (Narrow::fits(sites.size_back(2), sites.size_back(1)))
    rows::transform("distance_transform", sites, Narrow{squared}, map, ctx);
  else
    rows::transform("distance_transform", sites, metrics::Squares<uint64_t>{squared}, map, ctx);
}

void distance_transform_pair(const Tensor& ink, const Tensor& to_ink, const Tensor& to_paper, bool squared,
                             const Context& ctx) {
  using Narrow = metrics::Pair<uint32_t>;
  const output::Maps maps{output::Map(to_ink), output::Map(to_paper)};
  if (Narrow::fits(ink.size_back(2), ink.size_back(1)))
    rows::transform("distance_transform_pair", ink, Narrow{squared}, maps, ctx);
  else
    rows::transform("distance_transform_pair", ink, metrics::Pair<uint64_t>{squared}, maps, ctx);
}

}  // namespace cuda
}  // namespace pyapdraw
