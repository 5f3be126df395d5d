#pragma once
// The lower envelope of parabolas of one row, one pixel after another [Meijster, Roerdink, Hesselink 2000]: the general
// way, linear in the width: squares of 64 bits, spacings, and which site is nearest.
#include <cmath>
#include <cstdint>

#include "cpu/isa.h"
#include "cpu/scratch.h"

namespace pyapdraw {
namespace PA_ISA {

// Squares of type D: int64_t (exact), or double.
template <typename D>
class Envelope {
 public:
  Envelope(int64_t height, int64_t width)
      : exact_quotient_(width <= 65536 && height <= 65536),
        square_(width),
        site_(width),
        from_(width),
        nearest_(width) {}

  D& square(int64_t s) { return square_[s]; }  // to be filled; negative: no site in this column

  // Columns [x0, x1) from the sources [s0, s1]; false if none of them has a site.
  bool run(int64_t s0, int64_t s1, int64_t x0, int64_t x1) {
    int64_t top = -1;
    for (int64_t u = s0; u <= s1; ++u) {
      if (square_[u] < 0) continue;
      while (top >= 0 && at(site_[top], from_[top]) > at(u, from_[top])) --top;
      int64_t begin = x0;
      if (top >= 0 && (begin = 1 + last_column(site_[top], u)) >= x1) continue;
      ++top;
      site_[top] = static_cast<int32_t>(u);
      from_[top] = static_cast<int32_t>(begin < x0 ? x0 : begin);
    }
    for (int64_t k = 0; k <= top; ++k)
      for (int64_t x = from_[k], end = k < top ? from_[k + 1] : x1; x < end; ++x) nearest_[x] = site_[k];
    return top >= 0;
  }

  int64_t nearest(int64_t x) const { return nearest_[x]; }
  D squared_distance(int64_t x) const { return at(nearest_[x], x); }

 private:
  D at(int64_t s, int64_t x) const { return square_[s] + static_cast<D>((x - s) * (x - s)); }

  // Last column where the parabola of s, left of u, is not above that of u. The products are integers in either case,
  // so nothing can be contracted and all instruction sets agree.
  int64_t last_column(int64_t s, int64_t u) const {
    const D a = static_cast<D>((u - s) * (u + s)) + (square_[u] - square_[s]);
    return floor_of(a, 2 * (u - s));
  }
  // The quotient of two doubles is floored exactly for sides to 2^16: it is at least 2^-17 from an integer, or is one.
  int64_t floor_of(int64_t a, int64_t b) const {
    if (exact_quotient_) return static_cast<int64_t>(std::floor(static_cast<double>(a) / static_cast<double>(b)));
    return a / b - (a % b < 0 ? 1 : 0);
  }
  int64_t floor_of(double a, int64_t b) const {
    const double q = std::floor(a / static_cast<double>(b));
    return q < 2e9 ? static_cast<int64_t>(q < -2e9 ? -2e9 : q) : 2000000000;
  }

  const bool exact_quotient_;
  Scratch<D> square_;
  Scratch<int32_t> site_, from_, nearest_;
};

}  // namespace PA_ISA
}  // namespace pyapdraw
