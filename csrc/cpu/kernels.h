#pragma once
// The entry points of this instruction set: one line an operation, same signatures as Backend.
#include "core/backend.h"
#include "cpu/isa.h"

namespace pyapdraw {
namespace PA_ISA {

void distance_transform(const Tensor& sites, const Tensor& distance, bool squared, const Context& ctx);
void ink(const Tensor& pixels, const Tensor& mask, const Tensor& landmarks, const Tensor& out, const Context& ctx);

}  // namespace PA_ISA
}  // namespace pyapdraw
