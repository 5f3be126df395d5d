// Adds a map of half the resolution, each of its pixels to four, in place:
//   x[n, y, u, c] = f(x[n, y, u, c] + coarse[n, (top + y) / 2, (left + u) / 2, c]),  f(v) = v > 0 ? v : slope v,
// with whole quotients: top and left (0 or 1) are where x begins in a block of 2 x 2. It is how decoders merge a coarse
// level with a finer one (FPN [Lin et al. 2017, figure 3]). Or bilinear: between the centres of the coarse pixels, that
// is 3/4 of the nearest and 1/4 of the next, along each axis; at the border the next is the nearest.
//
// Method: rows of pixels, channels in vectors, the last ones in shorter vectors. Bilinear: two coarse rows are blended
// into a row of their own, which serves its pixels twice.
// Numerics: float32; nearest one addition and one multiplication, bilinear two blends before.
#include "cpu/kernels.h"
#include "cpu/lanes.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"

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

namespace {

// to[i] = 3/4 near[i] + 1/4 next[i]
inline void blend(const float* near, const float* next, int64_t count, float* to) {
  int64_t i = 0;
  for (; i + lanes::kCount <= count; i += lanes::kCount)
    lanes::store(to + i, lanes::load(near + i) * 0.75f + lanes::load(next + i) * 0.25f);
  for (; i < count; ++i) to[i] = near[i] * 0.75f + next[i] * 0.25f;
}

void add_bilinear(const Tensor& x, const Tensor& coarse, float slope, const Context& ctx) {
  const int64_t height = x.shape[1], channels = x.shape[3], tall = coarse.shape[1], wide = coarse.shape[2];
  parallel_for(x.shape[0] * height, 1 + 8192 / (2 * wide * channels + 1), ctx, [&](int64_t begin, int64_t end) {
    const Scratch<float> row(wide * channels), pixel(channels);
    for (int64_t item = begin; item < end; ++item) {
      const int64_t n = item / height, y = item % height, near = y / 2;
      const int64_t other = y % 2 ? (near + 1 < tall ? near + 1 : near) : (near ? near - 1 : 0);
      const float* from = coarse.as<float>() + n * coarse.stride[0];
      for (int64_t u = 0; u < wide; ++u)
        blend(from + near * coarse.stride[1] + u * coarse.stride[2],
              from + other * coarse.stride[1] + u * coarse.stride[2], channels, row.get() + u * channels);
      float* to = x.as<float>() + n * x.stride[0] + y * x.stride[1];
      for (int64_t u = 0; u < 2 * wide; ++u) {
        const int64_t here = u / 2, there = u % 2 ? (here + 1 < wide ? here + 1 : here) : (here ? here - 1 : 0);
        blend(row.get() + here * channels, row.get() + there * channels, channels, pixel.get());
        add_pixel(to + u * x.stride[2], pixel.get(), channels, slope);
      }
    }
  });
}

}  // namespace

void add_upsampled(const Tensor& x, const Tensor& coarse, int top, int left, float slope, Enlarged how,
                   const Context& ctx) {
  if (how == Enlarged::bilinear) return add_bilinear(x, coarse, slope, ctx);
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
