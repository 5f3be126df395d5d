#pragma once
// The entry points of this instruction set: one line an operation, same signatures as Backend.
#include "core/backend.h"
#include "cpu/isa.h"

namespace pyapdraw {
namespace PA_ISA {

void distance_transform(const Tensor& sites, const Tensor& distance, bool squared, const Context& ctx);
void warp_affine(const Tensor& image, const Tensor& out, const WarpPlan& plan, const Context& ctx);
void resize(const Tensor& image, const Tensor& out, const Context& ctx);
void yuv_to_rgb(const Tensor& y, const Tensor& u, const Tensor& v, const Tensor& out, const YuvFormat& format, const Context& ctx);
void rgb_to_yuv(const Tensor& image, const Tensor& y, const Tensor& u, const Tensor& v, const YuvFormat& format, const Context& ctx);
void rgb_to_nchw(const Tensor& image, const Tensor& out, const Context& ctx);
void nchw_to_rgb(const Tensor& image, const Tensor& out, const Context& ctx);
void composite(const Tensor& drawing, const Tensor& alpha, const Tensor& background, const Tensor& out, const Context& ctx);

}  // namespace PA_ISA
}  // namespace pyapdraw
