// The matrix kernel of modulated_conv2d for float16: see modulated_conv2d_tile.cuh. A file a dtype, for the compiler's
// sake.
#include "cuda/modulated_conv2d_tile.cuh"

namespace pyapdraw {
namespace cuda {
namespace modconv {

void convolve_f16(const Conv& conv, const Finish& finish, const Context& ctx) {
  launch_tiles<__half>(conv, finish, ctx);
}

}  // namespace modconv
}  // namespace cuda
}  // namespace pyapdraw
