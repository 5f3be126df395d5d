// f32 planes in [-1,1] to u8 interleaved pixels: rounded, saturated, NaN to 0.
#include "core/yuv_math.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"
#include "cpu/rows.h"
#include "cpu/scratch.h"

namespace pyapdraw {
namespace PA_ISA {
namespace {

void narrow(const float* __restrict in, uint8_t* __restrict out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = round255(from_signed(in[i]));
}

}  // namespace

void nchw_to_rgb(const Tensor& image, const Tensor& out, const Context& ctx) {
  if (image.numel() == 0) return;
  const int64_t channels = image.shape[0], w = image.shape[2];
  parallel_for(image.shape[1], 16, ctx, [&](int64_t begin, int64_t end) {
    Scratch<uint8_t> planar(3 * w);
    Scratch<float> wide(w);
    for (int64_t row = begin; row < end; ++row) {
      uint8_t* target = out.as<uint8_t>() + row * out.stride[0];
      for (int64_t c = 0; c < channels; ++c) {
        const float* in = image.as<float>() + c * image.stride[0] + row * image.stride[1];
        uint8_t* plane = planar.get() + (channels == 3 ? c * w : 0);
        narrow(packed_row(in, image.stride[2], w, wide.get()), plane, w);
        if (channels != 3) spread_row(plane, w, target + c * out.stride[2], out.stride[1]);
      }
      if (channels == 3)
        join_row(planar.get(), planar.get() + w, planar.get() + 2 * w, target, out.stride[1], out.stride[2], w);
    }
  });
}

}  // namespace PA_ISA
}  // namespace pyapdraw
