// The table of CUDA kernels. It is filled without touching the driver, so that importing the
// module works on a machine that has none.
#include "cuda/kernels.h"
#include "cuda/launch.cuh"

namespace pyapdraw {

const Backend* cuda_backend() {
  static const Backend table = [] {
    Backend b{};
    b.name = "cuda";
    b.conv2d = conv2d;
    b.max_pool2d = max_pool2d;
    return b;
  }();
  return &table;
}

}  // namespace pyapdraw
