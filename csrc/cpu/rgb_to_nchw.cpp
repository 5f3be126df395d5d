// u8 interleaved pixels to f32 planes in [-1,1]: split by byte shuffles, then one multiply-add.
#include "core/yuv_math.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"
#include "cpu/rows.h"
#include "cpu/scratch.h"

namespace pyapdraw {
namespace PA_ISA {
namespace {

void widen(const uint8_t* __restrict in, float* __restrict out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = to_signed(static_cast<float>(in[i]));
}

}  // namespace

void rgb_to_nchw(const Tensor& image, const Tensor& out, const Context& ctx) {
  if (image.numel() == 0) return;
  const int64_t w = image.shape[1], channels = image.shape[2];
  parallel_for(image.shape[0], 16, ctx, [&](int64_t begin, int64_t end) {
    Scratch<uint8_t> planar(3 * w);
    Scratch<float> wide(w);
    for (int64_t row = begin; row < end; ++row) {
      const uint8_t* in = image.as<uint8_t>() + row * image.stride[0];
      uint8_t* p = planar.get();
      if (channels == 3) split_row(in, image.stride[1], image.stride[2], p, p + w, p + 2 * w, w);
      for (int64_t c = 0; c < channels; ++c) {
        const uint8_t* plane = channels == 3 ? p + c * w : packed_row(in + c * image.stride[2], image.stride[1], w, p);
        float* target = out.as<float>() + c * out.stride[0] + row * out.stride[1];
        float* packed = out.stride[2] == 1 ? target : wide.get();
        widen(plane, packed, w);
        spread_row(packed, w, target, out.stride[2]);
      }
    }
  });
}

}  // namespace PA_ISA
}  // namespace pyapdraw
