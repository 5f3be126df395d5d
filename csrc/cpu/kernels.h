#pragma once
// The entry points of this instruction set: one line an operation, same signatures as Backend.
#include "core/backend.h"
#include "cpu/isa.h"

namespace pyapdraw {
namespace PA_ISA {

void distance_transform(const Tensor& sites, const Tensor& distance, bool squared, const Context& ctx);
void conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& slope, const Tensor& out, int stride,
            int pad, const Context& ctx);
void max_pool2d(const Tensor& x, const Tensor& out, int kernel, int stride, const Context& ctx);
void crop_area(const Tensor& image, const Tensor& boxes, const Tensor& out, float subtract, float multiply, const Context& ctx);
void crop_warp(const Tensor& image, const Tensor& to_image, const Tensor& out, float subtract, float multiply, const Context& ctx);
void nms(const Tensor& boxes, const Tensor& keep, float threshold, float side, bool minimum, const Context& ctx);

}  // namespace PA_ISA
}  // namespace pyapdraw
