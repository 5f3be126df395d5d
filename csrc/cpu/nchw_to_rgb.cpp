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

// Packed planes straight into packed pixels; returns how many were written.
int64_t narrow_pixels(const float* const* planes, uint8_t* rgb, int64_t n) {
  int64_t x = 0;
#if defined(__AVX512BW__)
  const __m512 half_range = _mm512_set1_ps(127.5f), top = _mm512_set1_ps(255.0f), zero = _mm512_setzero_ps();
  const auto get = [&](const float* from) {  // max takes its second operand, 0, where the first is NaN
    const __m512 v = _mm512_max_ps(_mm512_fmadd_ps(_mm512_loadu_ps(from), half_range, half_range), zero);
    return _mm512_cvttps_epi32(_mm512_add_ps(_mm512_min_ps(v, top), _mm512_set1_ps(0.5f)));
  };
  for (; x + 16 <= n; x += 16) join_pixels16({get(planes[0] + x), get(planes[1] + x), get(planes[2] + x)}, rgb + 3 * x);
#else
  (void)planes, (void)rgb, (void)n;
#endif
  return x;
}

}  // namespace

void nchw_to_rgb(const Tensor& image, const Tensor& out, const Context& ctx) {
  if (image.numel() == 0) return;
  const int64_t channels = image.shape[0];
  const bool packed = channels == 3 && image.stride[2] == 1 && out.stride[1] == 3 && out.stride[2] == 1;
  parallel_for(image.shape[1], 16, ctx, [&](int64_t begin, int64_t end) {
    Scratch<uint8_t> planar(3 * image.shape[2]);
    Scratch<float> wide(image.shape[2]);
    for (int64_t row = begin; row < end; ++row) {
      uint8_t* target = out.as<uint8_t>() + row * out.stride[0];
      int64_t done = 0;
      if (packed) {
        const float* first = image.as<float>() + row * image.stride[1];
        const float* const planes[3] = {first, first + image.stride[0], first + 2 * image.stride[0]};
        done = narrow_pixels(planes, target, image.shape[2]);
      }
      const int64_t w = image.shape[2] - done;
      target += done * out.stride[1];
      for (int64_t c = 0; c < channels; ++c) {
        const float* in = image.as<float>() + c * image.stride[0] + row * image.stride[1] + done * image.stride[2];
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
