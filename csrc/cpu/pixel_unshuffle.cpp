// Blocks of 2 x 2 pixels side by side as channels:
//   out[v, u, 4 k + 2 i + j] = scale x[k, 2 v + i, 2 u + j] + offset.
//
// Method: rows become float32 in scratch unless they are; then two pixels of two rows are one vector of four.
// Numerics: one multiplication and one addition in float32.
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "cpu/kernels.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"

namespace pyapdraw {
namespace PA_ISA {
namespace {

typedef float Quad __attribute__((vector_size(16), aligned(4), may_alias));

// Two pixels of each of two rows.
inline Quad block(const float* upper, const float* lower) {
#if defined(__SSE2__)
  const __m128i a = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(upper));
  const __m128i b = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(lower));
  return reinterpret_cast<Quad>(_mm_unpacklo_epi64(a, b));
#else
  return Quad{upper[0], upper[1], lower[0], lower[1]};
#endif
}

template <typename T>
void widen(const Tensor& x, int64_t offset, float* to) {
  const T* from = x.as<T>() + offset;
  const int64_t width = x.shape[2], step = x.stride[2];
  if (step == 1)
    for (int64_t i = 0; i < width; ++i) to[i] = static_cast<float>(from[i]);
  else
    for (int64_t i = 0; i < width; ++i) to[i] = static_cast<float>(from[i * step]);
}

// Row y of plane k as adjacent float32, in `scratch` or where it is.
const float* row_of(const Tensor& x, int64_t k, int64_t y, float* scratch) {
  const int64_t offset = k * x.stride[0] + y * x.stride[1];
  if (x.dtype == DType::f32 && x.stride[2] == 1) return x.as<float>() + offset;
  if (x.dtype == DType::f32)
    widen<float>(x, offset, scratch);
  else
    widen<uint8_t>(x, offset, scratch);
  return scratch;
}

}  // namespace

void pixel_unshuffle(const Tensor& x, const Tensor& out, float scale, float offset, const Context& ctx) {
  const int64_t planes = x.shape[0], width = out.shape[1], step = out.stride[1];
  parallel_for(out.shape[0], 1 + 8192 / (planes * width + 1), ctx, [&](int64_t begin, int64_t end) {
    Scratch<float> scratch(4 * width);
    for (int64_t v = begin; v < end; ++v)
      for (int64_t k = 0; k < planes; ++k) {
        const float* upper = row_of(x, k, 2 * v, scratch.get());
        const float* lower = row_of(x, k, 2 * v + 1, scratch.get() + 2 * width);
        float* to = out.as<float>() + v * out.stride[0] + 4 * k;
        for (int64_t u = 0; u < width; ++u, to += step) {
          *reinterpret_cast<Quad*>(to) = block(upper + 2 * u, lower + 2 * u) * scale + offset;
        }
      }
  });
}

}  // namespace PA_ISA
}  // namespace pyapdraw
