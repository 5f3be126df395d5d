// Adds a map of half the resolution, each of its pixels to four, in place:
//   x[n, y, u, c] = f(x[n, y, u, c] + coarse[n, (top + y) / 2, (left + u) / 2, c]),  f(v) = v > 0 ? v : slope v,
// with whole quotients: top and left (0 or 1) are where x begins in a block of 2 x 2. It is how decoders merge a coarse
// level with a finer one (FPN [Lin et al. 2017, figure 3]).
//
// Method: rows of pixels, channels in vectors, the last ones in shorter vectors.
// Numerics: one addition and one multiplication in float32.
#include "cpu/kernels.h"
#include "cpu/lanes.h"
#include "cpu/parallel.h"

namespace pyapdraw {
namespace PA_ISA {
namespace {

typedef float Quad __attribute__((vector_size(16), aligned(4), may_alias));

// Of `Vec`, of `Quad` or of one float; a template would lose the types' alignment.
#define PA_ADD(V, x, coarse, slope)                                                                        \
  do {                                                                                                     \
    const V sum = *reinterpret_cast<const V*>(x) + *reinterpret_cast<const V*>(coarse), low = sum * slope; \
    *reinterpret_cast<V*>(x) = sum > 0.0f ? sum : low;                                                     \
  } while (0)

inline void add_pixel(float* x, const float* coarse, int64_t channels, float slope) {
  int64_t c = 0;
  for (; c + lanes::kCount <= channels; c += lanes::kCount) PA_ADD(lanes::Vec, x + c, coarse + c, slope);
  for (; c + 4 <= channels; c += 4) PA_ADD(Quad, x + c, coarse + c, slope);
  for (; c < channels; ++c) PA_ADD(float, x + c, coarse + c, slope);
}

#undef PA_ADD

}  // namespace

void add_upsampled(const Tensor& x, const Tensor& coarse, int top, int left, float slope, const Context& ctx) {
  const int64_t height = x.shape[1], width = x.shape[2], channels = x.shape[3];
  parallel_for(x.shape[0] * height, 1 + 16384 / (width * channels + 1), ctx, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t n = row / height, y = row % height;
      float* to = x.as<float>() + n * x.stride[0] + y * x.stride[1];
      const float* from = coarse.as<float>() + n * coarse.stride[0] + (top + y) / 2 * coarse.stride[1];
      for (int64_t u = 0; u < width; ++u)
        add_pixel(to + u * x.stride[2], from + (left + u) / 2 * coarse.stride[2], channels, slope);
    }
  });
}

}  // namespace PA_ISA
}  // namespace pyapdraw
