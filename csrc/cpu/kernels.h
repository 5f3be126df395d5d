#pragma once
// The entry points of this instruction set: one line an operation, same signatures as Backend.
#include "core/backend.h"
#include "cpu/isa.h"

namespace pyapdraw {
namespace PA_ISA {

void distance_transform(const Tensor& sites, const Tensor& distance, bool squared, const Context& ctx);
void distance_transform_pair(const Tensor& ink, const Tensor& to_ink, const Tensor& to_paper, bool squared, const Context& ctx);
void fuse_regions(const FaceParts& parts, const Tensor& centres, const Tensor& hair, const Tensor& background,
                  const Tensor& mask, const Tensor& out, const Tensor& winners, const Context& ctx);
void fuse_regions_backward(const Tensor& grad, const Tensor& winners, const Tensor& centres, const FaceParts& grad_parts,
                           const Tensor& grad_hair, const Tensor& grad_background, const Context& ctx);

}  // namespace PA_ISA
}  // namespace pyapdraw
