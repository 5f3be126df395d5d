#pragma once
// The only header a kernel file needs: launch() instead of <<<>>> (so that the same source can
// run elsewhere), the error check after every launch, grid arithmetic, and strided addressing.
#include <cuda_runtime.h>

#include <utility>

#include "core/backend.h"
#include "cuda/check.h"

#define PA_KERNEL __global__
#define PA_SHARED(T, name) extern __shared__ T name[]  // the dynamic part, sized at the launch

namespace pyapdraw {
namespace cuda {

template <typename... P, typename... A>
void launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared_bytes, const Context& ctx, A&&... args) {
  if (ctx.workspace_needed) return;  // only being measured
  kernel<<<grid, block, shared_bytes, static_cast<cudaStream_t>(ctx.stream)>>>(std::forward<A>(args)...);
  check(cudaGetLastError(), "kernel launch");
}

inline unsigned blocks(int64_t n, int64_t per_block, int64_t most = 2147483647) {
  const int64_t b = (n + per_block - 1) / per_block;
  return static_cast<unsigned>(b < most ? b : most);
}

}  // namespace cuda
}  // namespace pyapdraw
