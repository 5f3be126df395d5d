#pragma once
// A checked call of modulated_conv2d, as the kernels want it: sizes, paddings and the filter as two runs of taps.
#include "pyapdraw/ops.h"

namespace pyapdraw {

struct ModulatedConvPlan {
  static constexpr int kMostTaps = 32;  // of the resampling filter, along one axis

  ModulatedConvOptions options;
  int kernel = 3;  // 1 or 3
  // Correlation taps in the order of the samples they meet (the filter is already flipped, the gain of `up` is in).
  int filter_w = 1, filter_h = 1;
  float filter_x[kMostTaps] = {1}, filter_y[kMostTaps] = {1};
  int pad_x = 0, pad_y = 0;  // zeros before the first sample that the filter meets
};

}  // namespace pyapdraw
