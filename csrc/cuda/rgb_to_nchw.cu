// u8 interleaved pixels to f32 planes in [-1,1].
// Method: one thread four packed pixels (three 4-byte loads, three 16-byte stores), or one pixel of any strides and
// channels. Shared memory: none. Numerics: core/yuv_math.h, float32.
#include "core/yuv_math.h"
#include "cuda/kernels.h"
#include "cuda/pixels.cuh"

namespace pyapdraw {
namespace cuda {
namespace {

PA_KERNEL void __launch_bounds__(kImageThreads) rgb_to_nchw_quad_kernel(Tensor image, Tensor out) {
  const int64_t x = first_column<4>(), width = image.shape[1];
  if (x >= width) return;
  const int count = columns_left<4>(x, width);
  for (int64_t row = first_row(); row < image.shape[0]; row += row_step()) {
    uint8_t pixels[12];
    load_pixels<4>(image, row, x, count, pixels);
    for (int c = 0; c < 3; ++c) {
      float plane[4];
      for (int k = 0; k < 4; ++k) plane[k] = to_signed(static_cast<float>(k < count ? pixels[3 * k + c] : 0));
      store_row(out.as<float>() + c * out.stride[0] + row * out.stride[1], out.stride[2], x, count, plane);
    }
  }
}

PA_KERNEL void __launch_bounds__(kImageThreads) rgb_to_nchw_kernel(Tensor image, Tensor out) {
  const int64_t x = first_column<1>();
  if (x >= image.shape[1]) return;
  for (int64_t row = first_row(); row < image.shape[0]; row += row_step())
    for (int64_t c = 0; c < image.shape[2]; ++c) {
      const uint8_t byte = image.as<uint8_t>()[row * image.stride[0] + x * image.stride[1] + c * image.stride[2]];
      out.as<float>()[c * out.stride[0] + row * out.stride[1] + x * out.stride[2]] =
          to_signed(static_cast<float>(byte));
    }
}

}  // namespace

void rgb_to_nchw(const Tensor& image, const Tensor& out, const Context& ctx) {
  if (image.numel() == 0) return;
  const bool quads = words(image) && packed_along(out, 2, 16);
  const dim3 grid = image_grid(image.shape[0], image.shape[1], quads ? 4 : 1);
  launch(quads ? rgb_to_nchw_quad_kernel : rgb_to_nchw_kernel, grid, image_block(), 0, ctx, image, out);
}

}  // namespace cuda
}  // namespace pyapdraw
