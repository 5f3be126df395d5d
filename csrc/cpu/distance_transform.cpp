// Exact Euclidean distance transform. (placeholder pass structure: replaced on the ops branch)
#include <cmath>

#include "cpu/kernels.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"

namespace pyapdraw {
namespace PA_ISA {

void distance_transform(const Tensor& sites, const Tensor& distance, bool squared, const Context& ctx) {
  (void)ctx;
  const int64_t h = sites.size_back(2), w = sites.size_back(1);
  int64_t images = 1;
  for (int i = 0; i + 2 < sites.ndim; ++i) images *= sites.shape[i];
  for (int64_t n = 0; n < images; ++n) {
    int64_t in = 0, out = 0, rest = n;
    for (int i = sites.ndim - 3; i >= 0; --i) {
      in += rest % sites.shape[i] * sites.stride[i];
      out += rest % sites.shape[i] * distance.stride[i];
      rest /= sites.shape[i];
    }
    for (int64_t y = 0; y < h; ++y)
      for (int64_t x = 0; x < w; ++x) {
        float best = INFINITY;
        for (int64_t v = 0; v < h; ++v)
          for (int64_t u = 0; u < w; ++u)
            if (sites.as<uint8_t>()[in + v * sites.stride_back(2) + u * sites.stride_back(1)]) {
              const float d = static_cast<float>((y - v) * (y - v) + (x - u) * (x - u));
              if (d < best) best = d;
            }
        distance.as<float>()[out + y * distance.stride_back(2) + x * distance.stride_back(1)] = squared ? best : std::sqrt(best);
      }
  }
}

}  // namespace PA_ISA
}  // namespace pyapdraw
