#pragma once
// Stands in for csrc/cuda/launch.cuh: the same names, run on the CPU.
#include <cuda_runtime.h>

#include <string>
#include <tuple>
#include <utility>

#include "core/backend.h"
#include "cuda/check.h"

#define PA_KERNEL static
#define PA_SHARED(T, name) T* name = static_cast<T*>(::emulated::shared)

namespace pyapdraw {
namespace cuda {

template <typename... P, typename... A>
void launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared_bytes, const Context& ctx, A&&... args) {
  if (ctx.workspace_needed) return;  // only being measured
  check(::emulated::called("launch", reinterpret_cast<uintptr_t>(ctx.stream)), "kernel launch");
  struct Call {
    void (*kernel)(P...);
    std::tuple<std::decay_t<P>...> args;
  } call{kernel, {std::forward<A>(args)...}};
  const auto body = [](void* p) {
    auto* c = static_cast<Call*>(p);
    std::apply(c->kernel, c->args);
  };
  const ::emulated::Launch one{reinterpret_cast<const void*>(kernel), grid, block, shared_bytes, body, &call};
  if (const char* error = ::emulated::launch_error(one)) throw DeviceError(std::string("kernel launch: ") + error);
  const std::string fault = ::emulated::run(one);
  if (!fault.empty()) throw DeviceError("kernel " + fault);
}

inline unsigned blocks(int64_t n, int64_t per_block, int64_t most = 2147483647) {
  const int64_t b = (n + per_block - 1) / per_block;
  return static_cast<unsigned>(b < most ? b : most);
}

}  // namespace cuda
}  // namespace pyapdraw
