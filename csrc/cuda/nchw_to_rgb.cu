// f32 planes in [-1,1] to u8 interleaved pixels (rounded, saturated, NaN to 0).
// Method: one thread four packed pixels (three 16-byte loads, three 4-byte stores), or one pixel of any strides and
// channels. Shared memory: none. Numerics: core/yuv_math.h, float32.
#include "core/yuv_math.h"
#include "cuda/kernels.h"
#include "cuda/pixels.cuh"

namespace pyapdraw {
namespace cuda {
namespace {

PA_KERNEL void __launch_bounds__(kImageThreads) nchw_to_rgb_quad_kernel(Tensor image, Tensor out) {
  const int64_t x = first_column<4>(), width = image.shape[2];
  if (x >= width) return;
  const int count = columns_left<4>(x, width);
  for (int64_t row = first_row(); row < image.shape[1]; row += row_step()) {
    uint8_t pixels[12];
    for (int c = 0; c < 3; ++c) {
      float plane[4] = {};
      load_row(image.as<float>() + c * image.stride[0] + row * image.stride[1], image.stride[2], x, count, plane);
      for (int k = 0; k < 4; ++k) pixels[3 * k + c] = round255(from_signed(plane[k]));
    }
    store_pixels<4>(out, row, x, count, pixels);
  }
}

PA_KERNEL void __launch_bounds__(kImageThreads) nchw_to_rgb_kernel(Tensor image, Tensor out) {
  const int64_t x = first_column<1>();
  if (x >= image.shape[2]) return;
  for (int64_t row = first_row(); row < image.shape[1]; row += row_step())
    for (int64_t c = 0; c < image.shape[0]; ++c) {
      const float value = image.as<float>()[c * image.stride[0] + row * image.stride[1] + x * image.stride[2]];
      out.as<uint8_t>()[row * out.stride[0] + x * out.stride[1] + c * out.stride[2]] = round255(from_signed(value));
    }
}

}  // namespace

void nchw_to_rgb(const Tensor& image, const Tensor& out, const Context& ctx) {
  if (image.numel() == 0) return;
  const bool quads = words(out) && packed_along(image, 2, 16);
  const dim3 grid = image_grid(image.shape[1], image.shape[2], quads ? 4 : 1);
  launch(quads ? nchw_to_rgb_quad_kernel : nchw_to_rgb_kernel, grid, image_block(), 0, ctx, image, out);
}

}  // namespace cuda
}  // namespace pyapdraw
