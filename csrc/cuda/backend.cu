// The table of CUDA kernels. It is filled without touching the driver, so that importing the
// module works on a machine that has none.
#include "cuda/kernels.h"
#include "cuda/launch.cuh"

namespace pyapdraw {

const Backend* cuda_backend() {
  static const Backend table = [] {
    Backend b{};
    b.name = "cuda";
    b.has_f16 = true;
#define PA_OP(op, use, parameters) b.op = cuda::op;
#define PA_CPU_OP(op, use, parameters)
#include "core/ops.def"
    return b;
  }();
  return &table;
}

}  // namespace pyapdraw
