#include "core/check.h"

namespace pyapdraw {

void distance_transform(const Tensor& sites, const Tensor& distance, bool squared, const Context& ctx) {
  check::ndim(sites, "sites", 2, kMaxDims);
  check::dtype(sites, "sites", {DType::boolean, DType::u8});
  check::dtype(distance, "distance", {DType::f32});
  check::same_shape(distance, "distance", sites, "sites");
  check::same_device(distance, "distance", sites, "sites");
  check::output(distance, "distance");
  check::no_overlap(distance, "distance", sites, "sites");
  const Backend& b = backend_for(sites);
  require(b, b.distance_transform, "distance_transform")(sites, distance, squared, ctx);
}

}  // namespace pyapdraw
