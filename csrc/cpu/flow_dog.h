#pragma once
// The flow of a picture and smoothing along it, for flow_dog and the style ink.
#include "cpu/ink_plane.h"

namespace pyapdraw {
namespace PA_ISA {
namespace inking {

// Unit tangents on a grid that is `factor` times coarser than the picture.
struct Flow {
  int factor;
  Plane x, y;
};

// Tangents of a picture: minor eigenvectors of its structure tensor, which is smoothed by `sigma` cells. products:
// three planes and work: one, of the size of the tangents; their contents are lost.
void find_tangents(const Plane& picture, float sigma, const Plane* products, const Plane& work, const Flow& flow,
                   const Context& ctx);

// Gaussian mean along the tangents, in steps of `step` px, up to seven to either side; sigma in steps. Below 0.3 steps:
// a copy. within: u8 of the picture's size, where nonzero in runs of 64 px it is done, else copied; or null. packed and
// packed_flow: memory of the picture's and of the tangents' size, lost. in and out differ.
struct Smoothing {
  float sigma, step;
  const uint8_t* within;
  uint32_t *packed, *packed_flow;
};
void smooth_along(const Plane& in, const Plane& out, const Flow& flow, const Smoothing& how, const Context& ctx);

}  // namespace inking
}  // namespace PA_ISA
}  // namespace pyapdraw
