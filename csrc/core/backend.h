#pragma once
// One table a backend: a function pointer an operation. A null entry means "not available
// there" and is turned into one clear error by `require`.
#include "pyapdraw/ops.h"

namespace pyapdraw {

struct Backend {
  const char* name;  // "cpu x86-64-v4", "cuda", ...
  void (*distance_transform)(const Tensor& sites, const Tensor& distance, bool squared, const Context& ctx) = nullptr;
  void (*ink)(const Tensor& pixels, const Tensor& mask, const Tensor& landmarks, const Tensor& drawing, const Context& ctx) = nullptr;
};

// The names and availability of all operations, for info() and the docs. Keep in step with
// the struct: a test compares their sizes.
struct OpEntry {
  const char* op;
  bool (*available)(const Backend& b);
};
const OpEntry* op_entries(int* count);

const Backend& cpu_backend();             // the best instruction set of this machine
const Backend* cuda_backend();            // null when built without CUDA
const Backend& backend_for(const Tensor& t);

namespace cpu_v4 { const Backend& backend(); }
namespace cpu_v3 { const Backend& backend(); }
namespace cpu_base { const Backend& backend(); }

[[noreturn]] void missing_op(const char* op, const Backend& b);

// backend entry or the one error: require(b, b.fuse, "fuse")(args...)
template <typename F>
F require(const Backend& b, F f, const char* op) {
  if (!f) missing_op(op, b);
  return f;
}

}  // namespace pyapdraw
