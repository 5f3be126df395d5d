// u8 interleaved pixels to f32 planes in [-1,1]: split by byte shuffles, then one subtraction and multiplication. Large
// outputs are written past the cache.
#include "core/yuv_math.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"
#include "cpu/rows.h"
#include "cpu/scratch.h"

namespace pyapdraw {
namespace PA_ISA {
namespace {

constexpr int64_t kStreamBytes = int64_t{8} << 20;

void widen(const uint8_t* __restrict in, float* __restrict out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = to_signed(static_cast<float>(in[i]));
}

// Packed pixels straight into packed planes; returns how many were written. stream: past the cache.
int64_t widen_pixels(const uint8_t* rgb, float* const* planes, bool stream, int64_t n) {
  int64_t x = 0;
#if defined(__AVX512BW__)
  const __m512 middle = _mm512_set1_ps(127.5f), scale = _mm512_set1_ps(2.0f / 255.0f);
  const auto put = [&](__m512i v, float* to) {
    const __m512 f = _mm512_mul_ps(_mm512_sub_ps(_mm512_cvtepi32_ps(v), middle), scale);
    if (stream)
      _mm512_stream_ps(to, f);
    else
      _mm512_storeu_ps(to, f);
  };
  for (; x + 16 <= n; x += 16) {
    const Pixels16 p = split_pixels16(rgb + 3 * x);
    put(p.r, planes[0] + x);
    put(p.g, planes[1] + x);
    put(p.b, planes[2] + x);
  }
#else
  (void)rgb, (void)planes, (void)stream, (void)n;
#endif
  return x;
}

// Whether rows of this output begin at lines of the cache, and all of it is more than a cache should be filled with.
bool streams(const Tensor& out) {
  return out.numel() * 4 >= kStreamBytes &&
         (reinterpret_cast<uintptr_t>(out.data) | out.stride[0] * 4 | out.stride[1] * 4) % 64 == 0;
}

}  // namespace

void rgb_to_nchw(const Tensor& image, const Tensor& out, const Context& ctx) {
  if (image.numel() == 0) return;
  const int64_t channels = image.shape[2];
  const bool packed = channels == 3 && image.stride[1] == 3 && image.stride[2] == 1 && out.stride[2] == 1;
  const bool stream = packed && streams(out);
  parallel_for(image.shape[0], 16, ctx, [&](int64_t begin, int64_t end) {
    Scratch<uint8_t> planar(3 * image.shape[1]);
    Scratch<float> wide(image.shape[1]);
    for (int64_t row = begin; row < end; ++row) {
      const uint8_t* in = image.as<uint8_t>() + row * image.stride[0];
      int64_t done = 0;
      if (packed) {
        float* first = out.as<float>() + row * out.stride[1];
        float* const planes[3] = {first, first + out.stride[0], first + 2 * out.stride[0]};
        done = widen_pixels(in, planes, stream, image.shape[1]);
      }
      const int64_t w = image.shape[1] - done;
      in += done * image.stride[1];
      uint8_t* p = planar.get();
      if (channels == 3) split_row(in, image.stride[1], image.stride[2], p, p + w, p + 2 * w, w);
      for (int64_t c = 0; c < channels; ++c) {
        const uint8_t* plane = channels == 3 ? p + c * w : packed_row(in + c * image.stride[2], image.stride[1], w, p);
        float* target = out.as<float>() + c * out.stride[0] + row * out.stride[1] + done * out.stride[2];
        float* row_out = out.stride[2] == 1 ? target : wide.get();
        widen(plane, row_out, w);
        spread_row(row_out, w, target, out.stride[2]);
      }
    }
#if defined(__AVX512BW__)
    if (stream) _mm_sfence();
#endif
  });
}

}  // namespace PA_ISA
}  // namespace pyapdraw
