#include "core/check.h"
#include "core/distance_transform_math.h"

namespace pyapdraw {

namespace {

void check_sites(const Tensor& sites, const char* arg) {
  check::ndim(sites, arg, 2, kMaxDims);
  check::dtype(sites, arg, {DType::boolean, DType::u8});
  PA_CHECK(sites.size_back(2) <= distance::kMaxSide && sites.size_back(1) <= distance::kMaxSide, arg,
           "shape " + check::shape_text(sites) + " given, sides of at most 2^30 px expected");
}

void check_distance(const Tensor& distance, const char* arg, const Tensor& sites, const char* sites_arg) {
  check::dtype(distance, arg, {DType::f32});
  check::same_shape(distance, arg, sites, sites_arg);
  check::same_device(distance, arg, sites, sites_arg);
  check::output(distance, arg);
  check::no_overlap(distance, arg, sites, sites_arg);
}

void check_spacing(double spacing, const char* arg) {
  PA_CHECK(spacing >= 1e-9 && spacing <= 1e9, arg,
           std::to_string(spacing) + " given, a spacing of 1e-9 to 1e9 px expected");
}

void check_indices(const Tensor& nearest, const Tensor& sites) {
  check::dtype(nearest, "indices", {DType::i32, DType::i64});
  check::same_shape(nearest, "indices", sites, "sites");
  check::same_device(nearest, "indices", sites, "sites");
  check::output(nearest, "indices");
  check::no_overlap(nearest, "indices", sites, "sites");
  if (nearest.dtype == DType::i32)
    PA_CHECK(sites.size_back(2) * sites.size_back(1) < int64_t{1} << 31, "indices",
             "dtype int32 given, int64 expected for images of 2^31 pixels or more");
}

}  // namespace

void distance_transform(const Tensor& sites, const Tensor& distance, bool squared, const Context& ctx) {
  check_sites(sites, "sites");
  check_distance(distance, "out", sites, "sites");
  const Backend& b = backend_for(sites);
  const auto run = require(b, b.distance_transform, "distance_transform");
  if (sites.numel() > 0) run(sites, distance, squared, ctx);
}

void distance_transform(const Tensor& sites, const Tensor& distance, const Tensor& nearest,
                        const DistanceOptions& options, const Context& ctx) {
  check_sites(sites, "sites");
  check_distance(distance, "out", sites, "sites");
  check_spacing(options.spacing_y, "sampling[0]");
  check_spacing(options.spacing_x, "sampling[1]");
  const bool indices = nearest.data && nearest.numel() > 0;
  if (indices) {
    check_indices(nearest, sites);
    check::no_overlap(nearest, "indices", distance, "out");
  }
  const Backend& b = backend_for(sites);
  if (!indices && options.spacing_y == 1 && options.spacing_x == 1) {
    const auto run = require(b, b.distance_transform, "distance_transform");
    if (sites.numel() > 0) run(sites, distance, options.squared, ctx);
    return;
  }
  const auto run = require(b, b.distance_transform_nearest, "distance_transform_nearest");
  Tensor none;
  none.ndim = 1;
  if (sites.numel() > 0) run(sites, distance, indices ? nearest : none, options, ctx);
}

void distance_transform_chamfer(const Tensor& sites, const Tensor& distance, const Context& ctx) {
  check_sites(sites, "sites");
  check_distance(distance, "out", sites, "sites");
  const Backend& b = backend_for(sites);
  const auto run = require(b, b.distance_transform_chamfer, "distance_transform_chamfer");
  if (sites.numel() > 0) run(sites, distance, ctx);
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
