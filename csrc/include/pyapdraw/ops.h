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

// Style `ink`: an aligned portrait crop as a drawing, without weights. S = 16..8192 px.
// pixels u8 [S,S,3] RGB, mask u8 [S,S] (255 = person), landmarks f32/f64 [5,2] (x, y in crop px: eye, eye, nose tip,
// mouth corner, mouth corner) -> drawing u8 [S,S], 255 = paper. Exactly white areas at the border lie outside the photo.
void ink(const Tensor& pixels, const Tensor& mask, const Tensor& landmarks, const Tensor& drawing, const Context& ctx = {});

// How many worker threads a call with ctx.threads = 0 uses.
int default_threads();

}  // namespace pyapdraw
