#pragma once
// Images as planes of interleaved pixels: how the resampling kernels see their tensors.
#include <cstdint>
#include <type_traits>

#include "cpu/isa.h"
#include "pyapdraw/tensor.h"

namespace pyapdraw {
namespace PA_ISA {

struct Region {
  int64_t x, y, w, h;
};

struct Size {
  int64_t w, h;
};

namespace {

// C interleaved channels; strides in elements, step == C where C > 1.
template <typename T>
struct Plane {
  T* data;
  int64_t row, step;
};

inline int64_t channels_of(const Tensor& t) { return t.ndim == 3 ? t.shape[2] : 1; }

inline bool packed_pixels(const Tensor& t) { return t.ndim == 3 && t.stride[2] == 1 && t.stride[1] == t.shape[2]; }

template <typename T>
Plane<T> plane_of(const Tensor& t, int64_t channel) {
  return {t.as<T>() + (t.ndim == 3 ? channel * t.stride[2] : 0), t.stride[0], t.stride[1]};
}

// f(in, out, channels): once where both images are packed pixels of 2 to 4 channels, else
// channel by channel.
template <typename T, typename F>
void for_each_plane(const Tensor& image, const Tensor& out, F&& f) {
  const int64_t channels = channels_of(image);
  if (channels >= 2 && channels <= 4 && packed_pixels(image) && packed_pixels(out)) {
    const Plane<T> in = plane_of<T>(image, 0), to = plane_of<T>(out, 0);
    if (channels == 2)
      f(in, to, std::integral_constant<int, 2>());
    else if (channels == 3)
      f(in, to, std::integral_constant<int, 3>());
    else
      f(in, to, std::integral_constant<int, 4>());
    return;
  }
  for (int64_t c = 0; c < channels; ++c)
    f(plane_of<T>(image, c), plane_of<T>(out, c), std::integral_constant<int, 1>());
}

}  // namespace

// out = the given region of `image` resized to `to`.
void resize_region(const Tensor& image, Size to, const Region& region, const Tensor& out, const Context& ctx);

}  // namespace PA_ISA
}  // namespace pyapdraw
