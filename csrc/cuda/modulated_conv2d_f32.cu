// The matrix kernel of modulated_conv2d for float32: see modulated_conv2d_tile.cuh. A file a dtype, for the compiler's
// sake.
#include "cuda/modulated_conv2d_tile.cuh"

namespace pyapdraw {
namespace cuda {
namespace modconv {

void convolve_f32(const Conv& conv, const Finish& finish, const Context& ctx) {
  launch_tiles<float>(conv, finish, ctx);
}

}  // namespace modconv
}  // namespace cuda
}  // namespace pyapdraw
