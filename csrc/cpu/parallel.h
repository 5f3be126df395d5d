#pragma once
#include <type_traits>

#include "core/threads.h"
#include "cpu/isa.h"
#include "pyapdraw/tensor.h"

namespace pyapdraw {
namespace PA_ISA {

// f(begin, end) over [0, n) in chunks of `grain`.
template <typename F>
inline void parallel_for(int64_t n, int64_t grain, const Context& ctx, F&& f) {
  using Fn = std::remove_reference_t<F>;
  run_chunks(n, grain, ctx.threads, [](void* p, int64_t a, int64_t b) { (*static_cast<Fn*>(p))(a, b); }, &f);
}

}  // namespace PA_ISA
}  // namespace pyapdraw
