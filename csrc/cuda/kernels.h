#pragma once
// The CUDA entry points: the operations of core/ops.def that have one.
#include "core/backend.h"

namespace pyapdraw {
namespace cuda {

#define PA_OP(op, use, parameters) void op parameters;
#define PA_CPU_OP(op, use, parameters)
#include "core/ops.def"

}  // namespace cuda
}  // namespace pyapdraw
