#pragma once
// The plan of an upfirdn2d call: which source samples and which taps every output sample takes, so that inserted zeros
// are never touched.
#include <cstdint>

#include "cpu/convert.h"
#include "cpu/isa.h"
#include "pyapdraw/ops.h"

namespace pyapdraw {
namespace PA_ISA {
namespace fir {

constexpr int kMostTaps = 64;  // core/upfirdn2d.cpp allows no longer filter

// One axis. Output i = phase + period * j sums weight[t] * source[start + advance * j + t] over the taps t of its
// phase.
template <typename W>
struct Axis {
  int64_t size = 0;  // of the source
  int64_t period = 1, advance = 1;
  int most = 0;  // taps of the longest phase
  struct Phase {
    int64_t start = 0;
    int count = 0, first = 0;  // taps, and where they begin in weight
  } phase[kMostTaps];
  W weight[kMostTaps];
  int tap[kMostTaps];  // which tap of the filter a weight is

  // taps: the filter as it correlates.
  void plan(int64_t source, int up, int down, int64_t before, const W* taps, int filter) {
    int64_t g = up, r = down;
    while (r) {
      const int64_t t = g % r;
      g = r, r = t;
    }
    size = source, period = up / g, advance = down / g, most = 0;
    int used = 0;
    for (int q = 0; q < period; ++q) {
      const int64_t at = q * static_cast<int64_t>(down) - before;  // in the upsampled image
      const int64_t skip = (up - at % up) % up;                    // to the next sample that is not an inserted zero
      Phase& p = phase[q];
      p = {(at + skip) / up, 0, used};
      for (int64_t k = skip; k < filter; k += up, ++p.count) {
        tap[used] = static_cast<int>(k);
        weight[used++] = taps[k];
      }
      if (p.count > most) most = p.count;
    }
  }
};

// A filter as it correlates, with the gain; as a product of two rows where it is one.
template <typename W>
struct Filter2d {
  int width = 1, height = 1;
  bool separable = true;
  W x[kMostTaps] = {}, y[kMostTaps] = {};  // the two factors, or y all 1 where not separable
  const Tensor* taps = nullptr;
  bool flip = false;
  W gain = 1;

  Filter2d(const Tensor& f, const Resampling& how) : taps(&f), flip(how.flip_filter), gain(static_cast<W>(how.gain)) {
    if (f.numel() == 0) {
      x[0] = gain, y[0] = 1;
      return;
    }
    width = static_cast<int>(f.size_back(1));
    height = static_cast<int>(f.ndim == 1 ? width : f.shape[0]);
    int px = 0, py = 0;
    if (f.ndim == 2) separable = find_pivot(&px, &py);
    for (int k = 0; k < width; ++k) x[k] = separable ? gain * at(k, py) : W(1);
    const W pivot = f.ndim == 2 ? at(px, py) : W(1);
    for (int k = 0; k < height; ++k) y[k] = f.ndim == 1 ? at(k, 0) : separable && pivot != 0 ? at(px, k) / pivot : W(1);
  }

  // Tap of the correlating filter, without the gain.
  W at(int kx, int ky) const {
    const int sx = flip ? kx : width - 1 - kx, sy = flip ? ky : height - 1 - ky;
    return static_cast<W>(
        taps->as<float>()[taps->ndim == 1 ? sx * taps->stride[0] : sy * taps->stride[0] + sx * taps->stride[1]]);
  }

 private:
  // The largest tap; true if all others follow from its row and column, to the rounding of float32.
  bool find_pivot(int* px, int* py) const {
    const auto size = [](W v) { return v < 0 ? -v : v; };
    for (int j = 0; j < height; ++j)
      for (int i = 0; i < width; ++i)
        if (size(at(i, j)) > size(at(*px, *py))) *px = i, *py = j;
    const double pivot = static_cast<double>(at(*px, *py));
    for (int j = 0; j < height; ++j)
      for (int i = 0; i < width; ++i) {
        const double off =
            static_cast<double>(at(i, j)) * pivot - static_cast<double>(at(i, *py)) * static_cast<double>(at(*px, j));
        if (!(off <= 2.5e-7 * pivot * pivot && off >= -2.5e-7 * pivot * pivot)) return false;
      }
    return true;
  }
};

}  // namespace fir
}  // namespace PA_ISA
}  // namespace pyapdraw
