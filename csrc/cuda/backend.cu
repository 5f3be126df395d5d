// The table of CUDA kernels. It is filled without touching the driver, so that importing the
// module works on a machine that has none.
#include "cuda/kernels.h"
#include "cuda/launch.cuh"

namespace pyapdraw {

const Backend* cuda_backend() {
  static const Backend table = [] {
    Backend b{};
    b.name = "cuda";
    b.warp_affine = warp_affine;
    b.resize = resize;
    b.yuv_to_rgb = yuv_to_rgb;
    b.rgb_to_yuv = rgb_to_yuv;
    b.rgb_to_nchw = rgb_to_nchw;
    b.nchw_to_rgb = nchw_to_rgb;
    b.composite = composite;
    return b;
  }();
  return &table;
}

}  // namespace pyapdraw
