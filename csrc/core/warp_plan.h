#pragma once
#include "core/warp_affine_math.h"

namespace pyapdraw {

// Checks the matrix f64 [2,3] and the options, and prepares the map for an image whose first two axes are height and
// width. Defined in warp_affine.cpp.
WarpPlan warp_plan(const Tensor& image, const Tensor& matrix, const char* arg, Filter filter, Border border,
                   double border_value);

// The same from a matrix that maps the output to the image already; the border is constant 0.
WarpPlan sampling_plan(const Tensor& image, const Tensor& matrix, const char* arg, Filter filter);

}  // namespace pyapdraw
