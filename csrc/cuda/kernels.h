#pragma once
// The CUDA entry points: one line an operation, same signatures as Backend.
#include "core/backend.h"

namespace pyapdraw {
namespace cuda {

void warp_affine(const Tensor& image, const Tensor& out, const WarpPlan& plan, const Context& ctx);
void resize(const Tensor& image, const Tensor& out, const Context& ctx);
void yuv_to_rgb(const Tensor& y, const Tensor& u, const Tensor& v, const Tensor& out, const YuvFormat& format, const Context& ctx);
void rgb_to_yuv(const Tensor& image, const Tensor& y, const Tensor& u, const Tensor& v, const YuvFormat& format, const Context& ctx);
void rgb_to_nchw(const Tensor& image, const Tensor& out, const Context& ctx);
void nchw_to_rgb(const Tensor& image, const Tensor& out, const Context& ctx);
void composite(const Tensor& drawing, const Tensor& alpha, const Tensor& background, const Tensor& out, const Context& ctx);

}  // namespace cuda
}  // namespace pyapdraw
