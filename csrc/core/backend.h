#pragma once
// One table a backend: a function pointer an operation. A null entry means "not available
// there" and is turned into one clear error by `require`.
#include <string>

#include "pyapdraw/ops.h"

namespace pyapdraw {

struct Backend {
  const char* name;  // "cpu x86-64-v4", "cuda", ...
  void (*distance_transform)(const Tensor& sites, const Tensor& distance, bool squared, const Context& ctx) = nullptr;
  void (*distance_transform_pair)(const Tensor& ink, const Tensor& to_ink, const Tensor& to_paper, bool squared,
                                  const Context& ctx) = nullptr;
  void (*fuse_regions)(const FaceParts& parts, const Tensor& centres, const Tensor& hair, const Tensor& background,
                       const Tensor& mask, const Tensor& out, const Tensor& winners, const Context& ctx) = nullptr;
  void (*fuse_regions_backward)(const Tensor& grad, const Tensor& winners, const Tensor& centres, const FaceParts& grad_parts,
                                const Tensor& grad_hair, const Tensor& grad_background, const Context& ctx) = nullptr;
};

// The names and availability of all operations, for info() and the docs. Keep in step with
// the struct: a test compares their sizes.
struct OpEntry {
  const char* op;
  bool (*available)(const Backend& b);
};
const OpEntry* op_entries(int* count);

const Backend& cpu_backend();             // the best instruction set of this machine
int cpu_backends(const Backend* tables[3]);     // all that this machine can run, best first
void use_cpu_backend(const std::string& name);  // for tests: that table from now on, for the whole process
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
