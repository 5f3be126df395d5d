#pragma once
#include "core/warp_affine_math.h"

namespace pyapdraw {

// Checks the matrix f64 [2,3] and the options, and prepares the map for an image whose first two axes are height and
// width. Defined in warp_affine.cpp.
WarpPlan warp_plan(const Tensor& image, const Tensor& matrix, Filter filter, Border border, double border_value);

}  // namespace pyapdraw
