#pragma once
// The whole C++ API: every operation checks its arguments once, then runs on the backend of
// its tensors. The caller allocates outputs; nothing here allocates device memory or waits.
// Errors: BadInput (wrong argument), Unsupported (no kernel on this backend), DeviceError.
#include "pyapdraw/error.h"
#include "pyapdraw/tensor.h"
#include "pyapdraw/version.h"

namespace pyapdraw {

// Exact Euclidean distance in px from every pixel to the nearest site (nonzero pixel).
// sites bool/u8 [...,H,W] -> distance f32 [...,H,W]; squared: without the root. An image
// without any site gives +inf.
void distance_transform(const Tensor& sites, const Tensor& distance, bool squared = false, const Context& ctx = {});

// How many worker threads a call with ctx.threads = 0 uses.
int default_threads();

}  // namespace pyapdraw
