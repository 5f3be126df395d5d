#pragma once
// The CUDA entry points: one line an operation, same signatures as Backend.
#include "core/backend.h"

namespace pyapdraw {
namespace cuda {

void conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& slope, const Tensor& out, int stride,
            int pad, const Context& ctx);
void max_pool2d(const Tensor& x, const Tensor& out, int kernel, int stride, const Context& ctx);

}  // namespace cuda
}  // namespace pyapdraw
