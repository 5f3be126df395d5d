// The table of CUDA kernels. It is filled without touching the driver, so that importing the
// module works on a machine that has none.
#include "cuda/kernels.h"
#include "cuda/launch.cuh"

namespace pyapdraw {

const Backend* cuda_backend() {
  static const Backend table = [] {
    Backend b{};
    b.name = "cuda";
    b.distance_transform = cuda::distance_transform;
    b.distance_transform_pair = cuda::distance_transform_pair;
    b.fuse_regions = cuda::fuse_regions;
    b.fuse_regions_backward = cuda::fuse_regions_backward;
    return b;
  }();
  return &table;
}

}  // namespace pyapdraw
