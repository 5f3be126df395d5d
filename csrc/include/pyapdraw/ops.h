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

// Both maps of a drawing in one call: to the nearest nonzero pixel and to the nearest zero one.
void distance_transform_pair(const Tensor& ink, const Tensor& to_ink, const Tensor& to_paper, bool squared = false,
                             const Context& ctx = {});

// The four face regions of one call, in this order: eye at smaller x, other eye, nose, mouth.
struct FaceParts {
  Tensor part[4];
};

// Min-pooled fusion of six local drawings into one frame [APD19, section 4.1]. All f32, or all
// bf16, or (CUDA) all f16: parts [N,C,h_i,w_i], hair, background and out [N,C,H,W].
// centres f32/f64/i32/i64 [N,4,2]: (x,y) of each part in px of the frame; a part covers
// x0 <= x < x0 + w with x0 = floor(trunc(centre) - w/2), likewise y; what leaves the frame is cut off.
// mask [N,1,H,W] is 1 on the person: bool or u8 (nonzero), or float (>= 0.5).
// out = min of: each part inside its rectangle, hair on the person outside all rectangles,
// background off the person, and 1 (white). NaN wins.
// winners u8 [N,C,H,W]: what fuse_regions_backward needs; or an empty tensor when not wanted.
void fuse_regions(const FaceParts& parts, const Tensor& centres, const Tensor& hair, const Tensor& background,
                  const Tensor& mask, const Tensor& out, const Tensor& winners, const Context& ctx = {});

// grad [N,C,H,W] of out -> the gradients of parts, hair and background (all written, no
// accumulation). A tie splits as in the nested elementwise minimum
// min(background, min(hair, min(mouth, min(nose, min(eye, eye))))): each tie halves.
void fuse_regions_backward(const Tensor& grad, const Tensor& winners, const Tensor& centres, const FaceParts& grad_parts,
                           const Tensor& grad_hair, const Tensor& grad_background, const Context& ctx = {});

// How many worker threads a call with ctx.threads = 0 uses.
int default_threads();

}  // namespace pyapdraw
