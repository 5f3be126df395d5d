#pragma once
// The entry points of this instruction set: the operations of core/ops.def.
#include "core/backend.h"
#include "cpu/isa.h"

namespace pyapdraw {
namespace PA_ISA {

#define PA_OP(op, use, parameters) void op parameters;
#include "core/ops.def"

}  // namespace PA_ISA
}  // namespace pyapdraw
