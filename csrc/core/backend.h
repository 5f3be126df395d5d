#pragma once
// One table a backend: a function pointer an operation of core/ops.def. A null entry means "not available
// there" and is turned into one clear error by `require`.
#include <string>

#include "core/entry.h"
#include "pyapdraw/ops.h"

namespace pyapdraw {

struct WarpPlan;           // core/warp_affine_math.h
struct ModulatedConvPlan;  // core/modulated_conv2d_plan.h

struct Backend {
  const char* name;      // "cpu x86-64-v4", "cuda", ...
  bool has_f16 = false;  // where the operation is one of floats: float16 beside float32 and bfloat16
#define PA_OP(op, use, parameters) void(*op) parameters = nullptr;
#include "core/ops.def"
};

// The names and availability of all operations, for info() and the docs.
enum class Use { outer, inner };  // core/ops.def
struct OpEntry {
  const char* op;
  Use use;
  bool (*available)(const Backend& b);
};
const OpEntry* op_entries(int* count);

const Backend& cpu_backend();                   // the best instruction set of this machine
int cpu_backends(const Backend* tables[3]);     // all that this machine can run, best first
void use_cpu_backend(const std::string& name);  // for tests: that table from now on, for the whole process
const Backend* cuda_backend();                  // null when built without CUDA
const Backend& backend_for(const Tensor& t);

namespace cpu_v4 {
const Backend& backend();
}
namespace cpu_v3 {
const Backend& backend();
}
namespace cpu_base {
const Backend& backend();
}

[[noreturn]] void missing_op(const char* op, const Backend& b);

// backend entry or the one error: require(b, b.fuse, "fuse")(args...)
template <typename F>
Entry<F> require(const Backend& b, F f, const char* op) {
  if (!f) missing_op(op, b);
  return {f, op};
}

}  // namespace pyapdraw
