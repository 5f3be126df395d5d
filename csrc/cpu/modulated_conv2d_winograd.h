#pragma once
#include "cpu/modulated_conv2d_finish.h"

namespace pyapdraw {
namespace PA_ISA {
namespace modconv {

// Whether a call is one that minimal filtering does faster than the direct form; depends on its shapes alone.
bool winograd_pays(const Call& call);
void winograd(const Call& call, const Context& ctx);

}  // namespace modconv
}  // namespace PA_ISA
}  // namespace pyapdraw
