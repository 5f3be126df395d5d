#pragma once
// The row pass of the distance transform: see distance_transform.cpp for the method.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "core/distance_transform_math.h"
#include "cpu/isa.h"
#include "cpu/scratch.h"

namespace pyapdraw {
namespace PA_ISA {

// "No site in this column", for column distances of type G.
template <typename G>
constexpr G none_of() {
  return static_cast<G>(sizeof(G) == 2 ? 65535 : 2147483647);
}

#pragma GCC diagnostic ignored "-Wpsabi"  // Lanes never cross a file, so their calling convention is no matter
namespace rows {

constexpr int kLanes = 32;
constexpr int kReach = 256;       // the table of squares reaches this far to either side
constexpr int kNear = 8;          // offsets tried directly
constexpr int kBudget = 8;        // source blocks a block, on average, before the envelope is cheaper
constexpr int kRest = 7;          // rows that go straight to the envelope after one that had to
constexpr uint16_t kCap = 32767;  // two capped values add up without overflow; also "not known"

// 32 lanes of 16 bits: one register with AVX-512, two with AVX2, four with SSE2.
typedef uint16_t Lanes __attribute__((vector_size(2 * kLanes)));

inline Lanes load(const uint16_t* p) {
  Lanes v;
  std::memcpy(&v, p, sizeof(v));
  return v;
}
inline Lanes splat(uint16_t x) { return Lanes{} + x; }
inline Lanes least(Lanes a, Lanes b) { return a < b ? a : b; }

inline uint16_t largest(Lanes v) {
  uint16_t t[kLanes], m = 0;
  std::memcpy(t, &v, sizeof(v));
  for (int i = 0; i < kLanes; ++i) m = t[i] > m ? t[i] : m;
  return m;
}

struct Squares {
  uint16_t at[2 * kReach + kLanes];
  Squares() {
    for (int i = 0; i < 2 * kReach + kLanes; ++i) {
      const int d = (i - kReach) * (i - kReach);
      at[i] = static_cast<uint16_t>(d < kCap ? d : kCap);
    }
  }
};

}  // namespace rows

// Scratch of one thread, and what a row tells the next one of the same chunk.
template <typename G>
class RowPass {
 public:
  RowPass(int64_t height, int64_t width, bool squared)
      : width_(width),
        blocks_((width + rows::kLanes - 1) / rows::kLanes),
        squared_(squared),
        exact_division_(width <= 65536 && height <= 65536),
        narrow_(distance::squares_below(height, width, 1 << 30)),
        f_(blocks_ * rows::kLanes + 2 * rows::kLanes),
        block_min_(blocks_),
        above_(blocks_),
        d2_(blocks_ * rows::kLanes),
        wide_(width),
        site_(width),
        from_(width),
        starts_(width) {}

  void start_chunk() {
    for (int64_t b = 0; b < blocks_; ++b) above_[b] = rows::kCap;
    rest_ = 0;
  }

  // Column distances of a row -> the finished row.
  void run(const G* g, float* out, int64_t step) {
    if (rest_ > 0) --rest_;
    else if (by_blocks(g)) return write_blocks(out, step);
    else rest_ = rows::kRest;
    envelope(g, out, step);
  }

 private:
  // False if a pixel is too far from every site, or if the row needs too much work.
  bool by_blocks(const G* g) {
    using namespace rows;
    prepare(g);
    int64_t budget = kBudget * blocks_ + 16;
    for (int64_t b = 0; b < blocks_; ++b) {
      const Lanes d = one_block(b, &budget);
      const uint16_t m = largest(d);
      if (m >= kCap || budget < 0) {
        for (int64_t i = 0; i < blocks_; ++i) above_[i] = kCap;
        return false;
      }
      // |d(x, y) - d(x, y - 1)| <= 1, and one more because the test is "not below".
      const int bound = m + 2 * static_cast<int>(std::ceil(std::sqrt(static_cast<float>(m)))) + 2;
      above_[b] = static_cast<uint16_t>(bound < kCap ? bound : kCap);
      std::memcpy(d2_.get() + b * kLanes, &d, sizeof(d));
    }
    return true;
  }

  // Squares of the column distances, capped, with margins; and the smallest of each block.
  void prepare(const G* g) {
    using namespace rows;
    uint16_t* f = f_.get() + kLanes;
    for (int i = 0; i < kLanes; ++i) f[i - kLanes] = kCap;
    for (int64_t x = 0; x < width_; ++x) {
      const uint32_t d = static_cast<uint32_t>(g[x] < 182 ? g[x] : 182);
      f[x] = static_cast<uint16_t>(d * d < kCap ? d * d : kCap);
    }
    for (int64_t x = width_; x < (blocks_ + 1) * kLanes; ++x) f[x] = kCap;
    for (int64_t b = 0; b < blocks_; ++b) {
      uint16_t m = kCap;
      for (int i = 0; i < kLanes; ++i) m = f[b * kLanes + i] < m ? f[b * kLanes + i] : m;
      block_min_[b] = m;
    }
  }

  rows::Lanes one_block(int64_t b, int64_t* budget) const {
    using namespace rows;
    const uint16_t* f = f_.get() + kLanes + b * kLanes;
    Lanes d = load(f);
    uint16_t m = largest(d);
    if (m <= 1) return d;
    for (int k = 1; k <= kNear; ++k) {
      d = least(d, least(load(f - k), load(f + k)) + splat(static_cast<uint16_t>(k * k)));
      if (k == 3 && (m = largest(d)) <= 16) return d;
    }
    m = largest(d);
    if (m <= (kNear + 1) * (kNear + 1)) return d;
    const uint16_t ceiling = above_[b];
    if (ceiling < m) m = ceiling;
    for (int j = 0;; ++j) {
      const int gap = j == 0 ? 0 : (j - 1) * kLanes + 1;
      if (gap * gap >= m) return d;
      for (int64_t s = b - j; s <= b + j; s += 2 * j) {
        if (s >= 0 && s < blocks_ && block_min_[s] + gap * gap < m) {
          d = from_block(d, b, s);
          --*budget;
          m = largest(d);
          if (ceiling < m) m = ceiling;
        }
        if (j == 0) break;
      }
      if (*budget < 0) return d;
    }
  }

  // Lowers the values of block b by all pixels of block s.
  rows::Lanes from_block(rows::Lanes d, int64_t b, int64_t s) const {
    using namespace rows;
    static const Squares squares;
    const uint16_t* f = f_.get() + kLanes + s * kLanes;
    const uint16_t* table = squares.at + kReach + (b - s) * kLanes;
    Lanes e = d;
    for (int i = 0; i < kLanes; i += 2) {
      d = least(d, splat(f[i]) + load(table - i));
      e = least(e, splat(f[i + 1]) + load(table - i - 1));
    }
    return least(d, e);
  }

  void write_blocks(float* out, int64_t step) const {
    const uint16_t* d2 = d2_.get();
    if (step != 1) for (int64_t x = 0; x < width_; ++x) out[x * step] = distance::finish(d2[x], squared_);
    else if (squared_) for (int64_t x = 0; x < width_; ++x) out[x] = static_cast<float>(d2[x]);
    else for (int64_t x = 0; x < width_; ++x) out[x] = std::sqrt(static_cast<float>(d2[x]));
  }

  void envelope(const G* g, float* out, int64_t step) {
    if (narrow_) envelope_of<int32_t>(g, out, step);
    else envelope_of<int64_t>(g, out, step);
  }

  // Lower envelope of the parabolas f(s) + (x - s)^2, with f the square of g, in squares of type D.
  // The stack holds the sites of the envelope so far and the column from which each one is lowest.
  template <typename D>
  void envelope_of(const G* g, float* out, int64_t step) {
    D* f = reinterpret_cast<D*>(wide_.get());
    int32_t* starts = starts_.get();
    int64_t top = -1;
    for (int64_t u = 0; u < width_; ++u) {
      starts[u] = -1;
      f[u] = static_cast<D>(g[u]) * static_cast<D>(g[u] == none_of<G>() ? 0 : g[u]);
      if (g[u] == none_of<G>()) continue;
      while (top >= 0 && at<D>(f, site_[top], from_[top]) > at<D>(f, u, from_[top])) --top;
      int64_t begin = 0;
      if (top >= 0 && (begin = 1 + last_column<D>(f, site_[top], u)) >= width_) continue;
      ++top;
      site_[top] = static_cast<int32_t>(u);
      from_[top] = static_cast<int32_t>(begin);
    }
    if (top < 0) {
      for (int64_t x = 0; x < width_; ++x) out[x * step] = std::numeric_limits<float>::infinity();
      return;
    }
    // Unwinding the stack has no branch a pixel: a site is carried on until the next one starts.
    for (int64_t k = 0; k <= top; ++k) starts[from_[k]] = site_[k];
    int64_t s = 0;
    for (int64_t x = 0; x < width_; ++x) {
      s = starts[x] >= 0 ? starts[x] : s;
      starts[x] = static_cast<int32_t>(s);
    }
    for (int64_t x = 0; x < width_; ++x) out[x * step] = distance::finish(at<D>(f, starts[x], x), squared_);
  }

  template <typename D>
  static D at(const D* f, int64_t s, int64_t x) { return f[s] + static_cast<D>(x - s) * static_cast<D>(x - s); }

  // Last column where the parabola of s, left of u, is not above that of u. The quotient of two
  // doubles is floored exactly for sides to 2^16: it is at least 2^-17 from an integer, or is one.
  template <typename D>
  int64_t last_column(const D* f, int64_t s, int64_t u) const {
    const int64_t a = (u - s) * (u + s) + f[u] - f[s], b = 2 * (u - s);
    if (exact_division_) return static_cast<int64_t>(std::floor(static_cast<double>(a) / static_cast<double>(b)));
    return a / b - (a % b < 0 ? 1 : 0);
  }

  const int64_t width_, blocks_;
  const bool squared_, exact_division_, narrow_;
  Scratch<uint16_t> f_, block_min_, above_, d2_;
  Scratch<int64_t> wide_;
  Scratch<int32_t> site_, from_, starts_;
  int rest_ = 0;
};

}  // namespace PA_ISA
}  // namespace pyapdraw
