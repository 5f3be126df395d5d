#include "core/check.h"
#include "core/distance_transform_math.h"

namespace pyapdraw {

namespace {

void check_sites(const Tensor& sites, const char* arg) {
  check::ndim(sites, arg, 2, kMaxDims);
  check::dtype(sites, arg, {DType::boolean, DType::u8});
  check::that(sites.size_back(2) <= distance::kMaxSide && sites.size_back(1) <= distance::kMaxSide, arg,
              "shape " + check::shape_text(sites) + " given, sides of at most 2^30 px expected");
}

void check_distance(const Tensor& distance, const char* arg, const Tensor& sites, const char* sites_arg) {
  check::dtype(distance, arg, {DType::f32});
  check::same_shape(distance, arg, sites, sites_arg);
  check::same_device(distance, arg, sites, sites_arg);
  check::output(distance, arg);
  check::no_overlap(distance, arg, sites, sites_arg);
}

}  // namespace

void distance_transform(const Tensor& sites, const Tensor& distance, bool squared, const Context& ctx) {
  check_sites(sites, "sites");
  check_distance(distance, "out", sites, "sites");
  const Backend& b = backend_for(sites);
  const auto run = require(b, b.distance_transform, "distance_transform");
  if (sites.numel() > 0) run(sites, distance, squared, ctx);
}

void distance_transform_pair(const Tensor& ink, const Tensor& to_ink, const Tensor& to_paper, bool squared,
                             const Context& ctx) {
  check_sites(ink, "ink");
  check_distance(to_ink, "to_ink", ink, "ink");
  check_distance(to_paper, "to_paper", ink, "ink");
  check::no_overlap(to_paper, "to_paper", to_ink, "to_ink");
  const Backend& b = backend_for(ink);
  const auto run = require(b, b.distance_transform_pair, "distance_transform_pair");
  if (ink.numel() > 0) run(ink, to_ink, to_paper, squared, ctx);
}

}  // namespace pyapdraw
