// The end of a residual block, in place: x[n,y,u,c] = f(x[n,y,u,c] + other[n,y,u,c]), f(v) = v > 0 ? v : slope[c] v;
// channels that `other` lacks are zeros.
//
// Method: rows of pixels, channels in vectors, what is left over one by one.
// Numerics: one addition and one multiplication in float32.
#include "cpu/kernels.h"
#include "cpu/lanes.h"
#include "cpu/parallel.h"

namespace pyapdraw {
namespace PA_ISA {
namespace {

inline void act(float* x, const float* other, const float* slope, int64_t channels) {
  int64_t c = 0;
  for (; c + lanes::kCount <= channels; c += lanes::kCount) {
    const lanes::Vec sum = lanes::load(x + c) + (other ? lanes::load(other + c) : lanes::Vec{});
    lanes::store(x + c, sum > 0.0f ? sum : sum * lanes::load(slope + c));
  }
  for (; c < channels; ++c) {
    const float sum = x[c] + (other ? other[c] : 0.0f);
    x[c] = sum > 0.0f ? sum : sum * slope[c];
  }
}

}  // namespace

void add_prelu(const Tensor& x, const Tensor& other, const Tensor& slope, const Context& ctx) {
  const int64_t height = x.shape[1], width = x.shape[2], channels = x.shape[3], added = other.shape[3];
  const float* s = slope.as<float>();
  parallel_for(x.shape[0] * height, 1 + 16384 / (width * channels + 1), ctx, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t n = row / height, y = row % height;
      float* to = x.as<float>() + n * x.stride[0] + y * x.stride[1];
      const float* from = other.as<float>() + n * other.stride[0] + y * other.stride[1];
      for (int64_t u = 0; u < width; ++u, to += x.stride[2], from += other.stride[2]) {
        act(to, from, s, added);
        if (added < channels) act(to + added, nullptr, s + added, channels - added);
      }
    }
  });
}

}  // namespace PA_ISA
}  // namespace pyapdraw
