#pragma once
// The one place through which every operation enters its kernels. On a CUDA device it makes the device of the tensors
// current for the length of the call, and gets the scratch memory that the operation asks for.
#include <string>

#include "core/device.h"
#include "pyapdraw/ops.h"

namespace pyapdraw {

inline int cuda_index(const Tensor& t) { return t.device.type == DeviceType::cuda ? t.device.index : -1; }
template <typename T>
int cuda_index(const T&) {
  return -1;
}

inline const Context& exchanged(const Context&, const Context& own) { return own; }
template <typename T>
const T& exchanged(const T& other, const Context&) {
  return other;
}

inline const Context& last(const Context& ctx) { return ctx; }
template <typename T, typename... Rest>
const Context& last(const T&, const Rest&... rest) {
  return last(rest...);
}

template <typename F>
struct Entry;

// An entry of a table, ready to be called. Its last parameter is the Context.
template <typename... P>
struct Entry<void (*)(P...)> {
  void (*run)(P...);
  const char* op;

  void operator()(P... args) const {
    int index = -1;
    ((index = index < 0 ? cuda_index(args) : index), ...);
    if (index < 0) return run(args...);
    try {
      const DeviceGuard guard(index);
      Context own = last(args...);
      if (own.allocate && !own.workspace && !own.workspace_needed) {
        int64_t needed = 0;
        own.workspace_needed = &needed;
        run(exchanged(args, own)...);
        own.workspace_needed = nullptr;
        if (needed > 0) own.workspace = own.allocate(needed, own.allocate_with);
        own.workspace_bytes = needed;
      }
      run(exchanged(args, own)...);
    } catch (const DeviceError& e) {
      throw DeviceError(std::string(op) + ": " + e.what());
    }
  }
};

}  // namespace pyapdraw
