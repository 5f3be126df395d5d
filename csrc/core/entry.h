#pragma once
// The one place through which every operation enters its kernels. On a CUDA device it makes the device of the tensors
// current for the length of the call, and gets the scratch memory that the operation asks for: what calls of these
// shapes have needed before, or what the operation says that it misses.
#include <string>

#include "core/device.h"
#include "core/known_scratch.h"
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
      const Context& given = last(args...);
      if (!given.allocate || given.workspace || given.workspace_needed) return run(args...);
      Context own = given;
      int64_t& known = scratch::known(reinterpret_cast<const void*>(run), args...);
      const auto go = [&](int64_t bytes) {
        own.workspace = bytes > 0 ? own.allocate(bytes, own.allocate_with) : nullptr;
        own.workspace_bytes = bytes;
        run(exchanged(args, own)...);
      };
      try {
        return go(known);
      } catch (const ScratchMissing& e) {
        known = e.needed;
      }
      go(known);
    } catch (const DeviceError& e) {
      throw DeviceError(std::string(op) + ": " + e.what());
    }
  }
};

}  // namespace pyapdraw
