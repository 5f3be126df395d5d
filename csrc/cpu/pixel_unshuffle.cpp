// Blocks of 2 x 2 pixels side by side as channels: out[v, u, 4 k + 2 i + j] = x[k, 2 v + i, 2 u + j].
//
// Method: two pixels of two rows are one vector of four; rows whose pixels are not adjacent are packed before.
#include "cpu/intrinsics.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"
#include "cpu/rows.h"
#include "cpu/scratch.h"

namespace pyapdraw {
namespace PA_ISA {
namespace {

// Two pixels of each of two rows.
inline void store_block(const float* upper, const float* lower, float* to) {
#if defined(__SSE2__)
  const __m128i a = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(upper));
  const __m128i b = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(lower));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_unpacklo_epi64(a, b));
#else
  to[0] = upper[0], to[1] = upper[1], to[2] = lower[0], to[3] = lower[1];
#endif
}

}  // namespace

void pixel_unshuffle(const Tensor& x, const Tensor& out, const Context& ctx) {
  const int64_t planes = x.shape[0], width = out.shape[1], step = out.stride[1];
  parallel_for(out.shape[0], 1 + 8192 / (planes * width + 1), ctx, [&](int64_t begin, int64_t end) {
    Scratch<float> scratch(4 * width);
    for (int64_t v = begin; v < end; ++v)
      for (int64_t k = 0; k < planes; ++k) {
        const float* row = x.as<float>() + k * x.stride[0] + 2 * v * x.stride[1];
        const float* upper = packed_row(row, x.stride[2], 2 * width, scratch.get());
        const float* lower = packed_row(row + x.stride[1], x.stride[2], 2 * width, scratch.get() + 2 * width);
        float* to = out.as<float>() + v * out.stride[0] + 4 * k;
        for (int64_t u = 0; u < width; ++u) store_block(upper + 2 * u, lower + 2 * u, to + u * step);
      }
  });
}

}  // namespace PA_ISA
}  // namespace pyapdraw
