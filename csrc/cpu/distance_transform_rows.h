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

#pragma GCC diagnostic ignored "-Wpsabi"  // vectors never cross a file, so their calling convention is no matter
namespace rows {

constexpr int kNear = 8;            // offsets tried directly
constexpr int kPair = 32;           // work of lowering one block by another, in looks at a block minimum
constexpr int kBudget = 8 * kPair;  // a block, on average, before the envelope is cheaper
constexpr int kSparse = 8;          // blocks a block with a site near enough, from which the envelope is cheaper

// Squares in lanes of T. Two capped values add up without overflow; the cap also means "not known".
template <typename T>
struct Lanes;
template <>
struct Lanes<uint16_t> {
  static constexpr int count = 32, cap = 32767, root = 182;
  typedef uint16_t Vector __attribute__((vector_size(64)));  // one register with AVX-512, four with SSE2
};
template <>
struct Lanes<int32_t> {
  static constexpr int count = 16, cap = (1 << 30) - 1, root = 32768;
  typedef int32_t Vector __attribute__((vector_size(64)));
};

template <typename T>
using Vector = typename Lanes<T>::Vector;

template <typename T>
inline Vector<T> load(const T* p) {
  Vector<T> v;
  std::memcpy(&v, p, sizeof(v));
  return v;
}
template <typename T>
inline Vector<T> splat(T x) {
  return Vector<T>{} + x;
}
template <typename V>
inline V least(V a, V b) {
  return a < b ? a : b;
}

template <typename T>
inline T largest(Vector<T> v) {
  T t[Lanes<T>::count], m = 0;
  std::memcpy(t, &v, sizeof(v));
  for (T x : t) m = x > m ? x : m;
  return m;
}

template <typename D>
inline void write(const D* d2, int64_t count, bool squared, bool single, float* out, int64_t step) {
  if (step != 1)
    for (int64_t x = 0; x < count; ++x) out[x * step] = distance::finish(d2[x], squared);
  else if (squared)
    for (int64_t x = 0; x < count; ++x) out[x] = static_cast<float>(d2[x]);
  else if (single)
    for (int64_t x = 0; x < count; ++x) out[x] = std::sqrt(static_cast<float>(d2[x]));
  else
    for (int64_t x = 0; x < count; ++x) out[x] = static_cast<float>(std::sqrt(static_cast<double>(d2[x])));
}

enum class Outcome { done, too_far, too_much };

// A row by blocks of lanes, with what it tells the next row of the same chunk.
template <typename T>
class Blocks {
  static constexpr int kCount = Lanes<T>::count, kCap = Lanes<T>::cap;

 public:
  explicit Blocks(int64_t width)
      : width_(width),
        blocks_((width + kCount - 1) / kCount),
        // Pairs farther apart than the root of the cap are never looked at.
        reach_(sizeof(T) == 2 ? 256 : blocks_ * kCount),
        f_((blocks_ + 2) * kCount),
        block_min_(blocks_),
        above_(blocks_),
        d2_(blocks_ * kCount),
        squares_(2 * reach_ + kCount) {
    for (int64_t i = 0; i < 2 * reach_ + kCount; ++i) {
      const int64_t d = (i - reach_) * (i - reach_);
      squares_[i] = static_cast<T>(d < kCap ? d : kCap);
    }
    forget();
  }

  void forget() {
    for (int64_t b = 0; b < blocks_; ++b) above_[b] = kCap;
  }

  template <typename G>
  Outcome run(const G* g) {
    if (prepare(g) * kSparse < blocks_) return Outcome::too_far;
    int64_t budget = kBudget * (blocks_ + 2);
    for (int64_t b = 0; b < blocks_; ++b) {
      const Vector<T> d = one_block(b, &budget);
      const T m = largest<T>(d);
      if (m >= kCap || budget < 0) {
        forget();
        return m >= kCap && budget >= 0 ? Outcome::too_far : Outcome::too_much;
      }
      // |d(x, y) - d(x, y - 1)| <= 1, and one more because the test is "not below".
      const int64_t bound = m + 2 * static_cast<int64_t>(std::ceil(std::sqrt(static_cast<double>(m)))) + 2;
      above_[b] = static_cast<T>(bound < kCap ? bound : kCap);
      std::memcpy(d2_.get() + b * kCount, &d, sizeof(d));
    }
    return Outcome::done;
  }

  const T* squared_distances() const { return d2_.get(); }

 private:
  // Squares of the column distances, capped, with margins; and the smallest of each block.
  // Returns how many blocks have one below the cap.
  template <typename G>
  int64_t prepare(const G* g) {
    T* f = f_.get() + kCount;
    for (int i = 0; i < kCount; ++i) f[i - kCount] = kCap;
    for (int64_t x = 0; x < width_; ++x) {
      const uint32_t d = static_cast<uint32_t>(g[x] < Lanes<T>::root ? g[x] : Lanes<T>::root);
      f[x] = static_cast<T>(d * d < static_cast<uint32_t>(kCap) ? d * d : kCap);
    }
    for (int64_t x = width_; x < (blocks_ + 1) * kCount; ++x) f[x] = kCap;
    int64_t known = 0;
    for (int64_t b = 0; b < blocks_; ++b) {
      T m = kCap;
      for (int i = 0; i < kCount; ++i) m = f[b * kCount + i] < m ? f[b * kCount + i] : m;
      block_min_[b] = m;
      known += m < kCap;
    }
    return known;
  }

  Vector<T> one_block(int64_t b, int64_t* budget) const {
    const T* f = f_.get() + kCount + b * kCount;
    Vector<T> d = load(f);
    T m = largest<T>(d);
    if (m <= 1) return d;
    for (int k = 1; k <= kNear; ++k) {
      d = least(d, least(load(f - k), load(f + k)) + splat(static_cast<T>(k * k)));
      if (k == 3 && largest<T>(d) <= 16) return d;
    }
    m = largest<T>(d);
    if (m <= (kNear + 1) * (kNear + 1)) return d;
    const T ceiling = above_[b];
    if (ceiling < m) m = ceiling;
    for (int64_t j = 0;; ++j) {
      const int64_t gap = j == 0 ? 0 : (j - 1) * kCount + 1;
      if (gap * gap >= m || (b < j && b + j >= blocks_)) return d;
      for (int64_t s = b - j; s <= b + j; s += 2 * j) {
        if (s >= 0 && s < blocks_ && block_min_[s] + gap * gap < m) {
          d = from_block(d, b, s);
          *budget -= kPair;
          m = largest<T>(d);
          if (ceiling < m) m = ceiling;
        }
        if (j == 0) break;
      }
      if ((*budget -= 2) < 0) return d;
    }
  }

  // Lowers the values of block b by all pixels of block s.
  Vector<T> from_block(Vector<T> d, int64_t b, int64_t s) const {
    const T* f = f_.get() + kCount + s * kCount;
    const T* table = squares_.get() + reach_ + (b - s) * kCount;
    Vector<T> e = d;
    for (int i = 0; i < kCount; i += 2) {
      d = least(d, splat(f[i]) + load(table - i));
      e = least(e, splat(f[i + 1]) + load(table - i - 1));
    }
    return least(d, e);
  }

  const int64_t width_, blocks_, reach_;
  Scratch<T> f_, block_min_, above_, d2_, squares_;
};

}  // namespace rows

// One thread's way of finishing rows: 16-bit blocks, 32-bit blocks where a pixel is farther than
// that from every site, the envelope where blocks are too much work.
template <typename G>
class RowPass {
  static constexpr int kRest = 7;  // rows that go straight to the next way after one that had to

 public:
  RowPass(int64_t height, int64_t width, bool squared)
      : width_(width),
        squared_(squared),
        exact_division_(width <= 65536 && height <= 65536),
        narrow_(distance::squares_below(height, width, 1 << 30)),
        single_(distance::squares_below(height, width, 1 << 24)),
        near_(width),
        far_(narrow_ ? width : 1),
        wide_(width),
        d2_(width),
        site_(width),
        from_(width),
        starts_(width) {}

  void start_chunk() {
    near_.forget();
    far_.forget();
    rest_near_ = rest_blocks_ = 0;
  }

  // Column distances of a row -> the finished row.
  void run(const G* g, float* out, int64_t step) {
    using rows::Outcome;
    if (rest_blocks_ > 0) {
      --rest_blocks_;
      return envelope(g, out, step);
    }
    Outcome outcome = rest_near_ > 0 ? Outcome::too_far : near_.run(g);
    if (outcome == Outcome::done) return rows::write(near_.squared_distances(), width_, squared_, true, out, step);
    if (outcome == Outcome::too_far && narrow_) {
      rest_near_ = rest_near_ > 0 ? rest_near_ - 1 : kRest;
      outcome = far_.run(g);
      if (outcome == Outcome::done) return rows::write(far_.squared_distances(), width_, squared_, single_, out, step);
    }
    rest_blocks_ = kRest;
    far_.forget();
    envelope(g, out, step);
  }

 private:
  void envelope(const G* g, float* out, int64_t step) {
    if (narrow_)
      envelope_of<int32_t>(g, out, step);
    else
      envelope_of<int64_t>(g, out, step);
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
    D* d2 = reinterpret_cast<D*>(d2_.get());
    for (int64_t x = 0; x < width_; ++x) d2[x] = at<D>(f, starts[x], x);
    rows::write(d2, width_, squared_, single_, out, step);
  }

  template <typename D>
  static D at(const D* f, int64_t s, int64_t x) {
    return f[s] + static_cast<D>(x - s) * static_cast<D>(x - s);
  }

  // Last column where the parabola of s, left of u, is not above that of u. The quotient of two
  // doubles is floored exactly for sides to 2^16: it is at least 2^-17 from an integer, or is one.
  template <typename D>
  int64_t last_column(const D* f, int64_t s, int64_t u) const {
    const int64_t a = (u - s) * (u + s) + f[u] - f[s], b = 2 * (u - s);
    if (exact_division_) return static_cast<int64_t>(std::floor(static_cast<double>(a) / static_cast<double>(b)));
    return a / b - (a % b < 0 ? 1 : 0);
  }

  const int64_t width_;
  const bool squared_, exact_division_, narrow_, single_;
  rows::Blocks<uint16_t> near_;
  rows::Blocks<int32_t> far_;
  Scratch<int64_t> wide_, d2_;
  Scratch<int32_t> site_, from_, starts_;
  int rest_near_ = 0, rest_blocks_ = 0;
};

}  // namespace PA_ISA
}  // namespace pyapdraw
