#pragma once
// The row pass of the distance transform: min over s of g(s)^2 + (x - s)^2 for one row of column distances g.
// 1. Near: in bytes, all offsets up to kReach, with exits where the squares are small. A pixel closer than kReach + 1
//    to a site is finished by that.
// 2. Far: the other pixels, in runs of whole registers of 16. The nearest source s(x) never moves left as x moves
//    right [Aggarwal et al., Geometric applications of a matrix-searching algorithm, 1987], and the finished pixels
//    beside a run bound it at both ends. It is searched at the first pixel of every register, in halves, each within
//    the bounds known so far; then a register only has to look at the sources between its own two bounds. All
//    registers of a row together look at each source about once, whatever the picture: the work is linear in the width
//    (the search is 1/16 of that a halving).
// 3. Where 32 bits could overflow, the run takes the envelope of parabolas.
// Sources in the near part outside the bounds do no harm: they are sites all the same.
#include "cpu/distance_transform_columns.h"
#include "cpu/distance_transform_envelope.h"
#include "cpu/distance_transform_vector.h"

namespace pyapdraw {
namespace PA_ISA {
namespace rows {

using registers::Bytes;
using registers::Ints;
using registers::kBytes;
using registers::kInts;
using registers::load;
using registers::store;

constexpr int kReach = 10;                               // offsets tried directly
constexpr uint8_t kOpen = (kReach + 1) * (kReach + 1);   // squares from here on are not known; + kReach^2 is a byte
constexpr uint8_t kRest = 3;                             // rows that a block goes without the near part where it failed
constexpr int32_t kFar = (1 << 30) - 1;                  // square of a column without a site, above all real ones
constexpr int64_t kWidest = 32000, kLongestRun = 16000;  // sums of two squares stay below 2^31
constexpr int64_t kMargin = 2 * kInts;                   // sources that may be read beyond the last one
constexpr int kGroup = 8;                                // sources looked at together

static_assert(kOpen + kReach * kReach < 256, "sums of two near squares are bytes");

// What all rows of a call share.
struct Shape {
  int64_t height, width;
  bool squared, narrow, single;
  Scratch<int32_t> squares;  // of -reach .. reach
  int64_t reach;

  Shape(int64_t h, int64_t w, bool sq)
      : height(h),
        width(w),
        squared(sq),
        narrow(w <= kWidest && distance::squares_below(h, w, kFar)),
        single(distance::squares_below(h, w, 1 << 24)),
        squares(2 * ((w < kWidest ? w : kWidest) + kMargin + kBytes)),
        reach((w < kWidest ? w : kWidest) + kMargin + kBytes) {
    for (int64_t i = 0; i < 2 * reach; ++i) squares[i] = static_cast<int32_t>((i - reach) * (i - reach));
  }
  const int32_t* square() const { return squares.get() + reach; }
};

// Rows of one map (distances to ink, or to paper) in any order.
template <typename G>
class Pass {
 public:
  static int64_t bytes(const Shape& shape) {
    const int64_t blocks = blocks_of(shape);
    return Pieces::bytes<uint8_t>((blocks + 2) * kBytes) + Pieces::bytes<uint8_t>(blocks * 4 + 1) +
           Pieces::bytes<uint8_t>(blocks) + 2 * Pieces::bytes<int32_t>((blocks + 1) * kBytes) +
           Pieces::bytes<int32_t>(blocks * 4 + 1) + Pieces::bytes<float>(blocks * kBytes);
  }

  Pass(const Shape& shape, bool to_ink, Pieces* memory)
      : shape_(shape),
        square_(shape.square()),
        to_ink_(to_ink),
        blocks_(blocks_of(shape)),
        near_(memory->take<uint8_t>((blocks_ + 2) * kBytes)),
        open_(memory->take<uint8_t>(blocks_ * 4 + 1)),
        rest_(memory->take<uint8_t>(blocks_)),
        far_(memory->take<int32_t>((blocks_ + 1) * kBytes)),
        costs_(memory->take<int32_t>((blocks_ + 1) * kBytes)),
        bound_(memory->take<int32_t>(blocks_ * 4 + 1)),
        row_(memory->take<float>(blocks_ * kBytes)) {
    std::memset(near_, kOpen, (blocks_ + 2) * kBytes);
    std::memset(rest_, 0, blocks_);
  }

  // Column distances of a row -> the row at `out`. ink: the pixels themselves.
  void run(const G* g, const uint8_t* ink, float* out, int64_t step, bool past_caches) {
    const int64_t width = shape_.width;
    const bool direct = step == 1 && !past_caches && width % kBytes == 0;
    out_ = direct ? out : row_;
    registers::near_squares(g, ink, to_ink_, static_cast<uint8_t>(kReach + 1), near_ + kBytes, width);
    bool open = false;
    for (int64_t b = 0; b < blocks_; ++b) open |= near(b);
    if (open) all_far(g);
    if (!direct) registers::put(row_, width, out, step, past_caches);
  }

  // For narrow shapes, of an image with sites: a nearest source of every pixel of a row, and the squared distances,
  // whole registers of them.
  void run_sources(const G* g, const uint8_t* ink, int32_t* source, int32_t* square) {
    const int64_t width = shape_.width, registers = (width + kInts - 1) / kInts;
    registers::near_squares(g, ink, to_ink_, static_cast<uint8_t>(kReach + 1), near_ + kBytes, width);
    squares_of(g, 0, width - 1);
    find_bounds(0, registers, 0, width - 1);
    for (int64_t r = 0; r < registers; ++r) {
      Ints from;
      store(square + r * kInts, lowest(r * kInts, bound_[r], bound_[r + 1], &from));
      store(source + r * kInts, from);
    }
  }

 private:
  static int64_t blocks_of(const Shape& shape) { return (shape.width + kBytes - 1) / kBytes; }

  // The runs of registers that the near part left open.
  void all_far(const G* g) {
    const int64_t registers = (shape_.width + kInts - 1) / kInts;
    open_[registers] = 0;
    for (int64_t a = 0; a < registers; ++a) {
      if (!open_[a]) continue;
      int64_t b = a + 1;
      while (b < registers && open_[b]) ++b;
      far(g, a, b);
      a = b;
    }
  }

  // One block of 64 pixels; whether some register of it is left open.
  bool near(int64_t b) {
    uint8_t* open = open_ + 4 * b;
    if (rest_[b] > 0) {
      --rest_[b];
      std::memset(open, 1, 4);
      return true;
    }
    const uint8_t* f = near_ + kBytes + b * kBytes;
    Bytes d = load<Bytes>(f);
    const auto widen = [&](int k0, int k1) {
      for (int k = k0; k <= k1; ++k)
        d = registers::least(d, registers::least(load<Bytes>(f - k), load<Bytes>(f + k)) +
                                    registers::splat(static_cast<uint8_t>(k * k)));
    };
    unsigned left = 0;
    if (registers::any_from(d, 2)) {
      widen(1, 3);
      if (registers::any_from(d, 17)) {
        widen(4, 6);
        if (registers::any_from(d, 50)) {
          widen(7, kReach);
          left = registers::quarters_from(d, kOpen);
        }
      }
    }
    for (int q = 0; q < 4; ++q) open[q] = left >> q & 1;
    if (left == 15) {
      rest_[b] = kRest;
      return true;
    }
    registers::finish(d, shape_.squared, out_ + b * kBytes);
    return left != 0;
  }

  // Registers [a, b) of the row.
  void far(const G* g, int64_t a, int64_t b) {
    const int64_t width = shape_.width, x0 = a * kInts, x1 = b * kInts < width ? b * kInts : width;
    const int64_t first = x0 == 0 ? 0 : x0 - 1 - kReach, last = x1 + kReach < width ? x1 + kReach : width - 1;
    const bool bounded = (x0 > 0 || x1 < width) && x1 - x0 <= kLongestRun;
    if (!shape_.narrow && !bounded) return envelope(g, first, last, x0, x1);
    squares_of(g, first, last);
    find_bounds(a, b, first, last);
    for (int64_t r = a; r < b; ++r)
      registers::finish(lowest(r * kInts, bound_[r], bound_[r + 1]), shape_.squared, shape_.single, out_ + r * kInts);
  }

  // A nearest source of the first pixel of each register of [a, b), all of whose sources are in [first, last].
  void find_bounds(int64_t a, int64_t b, int64_t first, int64_t last) {
    int32_t* bound = bound_;
    bound[a] = static_cast<int32_t>(first);
    bound[b] = static_cast<int32_t>(last);
    int64_t half = 1;
    while (half < b - a) half *= 2;
    for (half /= 2; half > 0; half /= 2)
      for (int64_t r = a + half; r < b; r += 2 * half)
        bound[r] = nearest(r * kInts, bound[r - half], bound[r + half < b ? r + half : b]);
  }

  // Squares of the column distances, whole registers of them; beyond the last one nothing is near. (The near squares
  // are 0 on sites only: the distance to the other colour is at least 1.)
  void squares_of(const G* g, int64_t first, int64_t last) {
    int32_t* __restrict__ f = far_;
    const uint8_t* site = near_ + kBytes;
    for (int64_t s = first; s <= last; s += kInts)
      for (int64_t i = s; i < s + kInts; ++i) {
        const uint32_t d = static_cast<uint32_t>(g[i]);
        const int32_t square = d < 32768 ? static_cast<int32_t>(d * d) : kFar;
        f[i] = site[i] == 0 ? 0 : square;
      }
    for (int64_t s = last + 1; s <= last + kMargin; ++s) f[s] = kFar;
  }

  // A source in [first, last + 31] that is nearest to x among them.
  int32_t nearest(int64_t x, int64_t first, int64_t last) const {
    const int32_t *f = far_ + first, *square = square_ + (first - x);
    const Ints v = load<Ints>(f) + load<Ints>(square), w = load<Ints>(f + kInts) + load<Ints>(square + kInts);
    Ints least = registers::least(v, w);
    const int64_t count = last - first + 1;
    for (int64_t i = 2 * kInts; i < count; i += kInts)
      least = registers::least(least, load<Ints>(f + i) + load<Ints>(square + i));
    const int32_t value = registers::smallest(least);
    const uint32_t found = registers::equal(v, value) | registers::equal(w, value) << kInts;
    if (found) return static_cast<int32_t>(first + __builtin_ctz(found));
    for (int64_t i = 2 * kInts;; i += kInts) {
      const uint32_t here = registers::equal(load<Ints>(f + i) + load<Ints>(square + i), value);
      if (here) return static_cast<int32_t>(first + i + __builtin_ctz(here));
    }
  }

  // The 16 pixels from x on, from the sources [first, last] and up to 15 more. With e = x - s0 for a group of sources
  // from s0 on: f + (x + i - s)^2 = [f + (x - s)^2] - 2 i (s - s0) + 2 i e + i^2. The bracket is one number a source,
  // the rest is a constant, or is added once a group.
  // Always inlined: out of a loop over registers its constants would be made anew for each.
  __attribute__((always_inline)) Ints lowest(int64_t x, int64_t first, int64_t last) const {
    static constexpr int32_t kIndex[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const Ints index = load<Ints>(kIndex);
    const int32_t* cost = costs_of(x, first, last);
    const int64_t count = last - first + 1;
    Ints best = registers::splat(2147483647);
    for (int64_t i = 0; i < count; i += kGroup) {
      Ints group = registers::splat(cost[i]);
      for (int j = 1; j < kGroup; ++j)
        group = registers::least(group, registers::splat(cost[i + j]) + index * registers::splat(-2 * j));
      best = registers::least(best, group + index * registers::splat(static_cast<int32_t>(2 * (x - first - i))));
    }
    return best + index * index;
  }

  // The same, and which source it is.
  Ints lowest(int64_t x, int64_t first, int64_t last, Ints* source) const {
    static constexpr int32_t kIndex[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const Ints index = load<Ints>(kIndex);
    const int32_t* cost = costs_of(x, first, last);
    const int64_t count = last - first + 1;
    Ints best = registers::splat(2147483647), from = registers::splat(0);
    for (int64_t i = 0; i < count; i += kGroup) {
      Ints group = registers::splat(cost[i]), which = registers::splat(0);
      for (int j = 1; j < kGroup; ++j) {
        const Ints next = registers::splat(cost[i + j]) + index * registers::splat(-2 * j);
        which = registers::where_less(next, group, registers::splat(j), which);
        group = registers::least(group, next);
      }
      group = group + index * registers::splat(static_cast<int32_t>(2 * (x - first - i)));
      which = which + registers::splat(static_cast<int32_t>(first + i));
      from = registers::where_less(group, best, which, from);
      best = registers::least(best, group);
    }
    *source = from;
    return best + index * index;
  }

  // Squared distances from x to the sources, whole registers of them.
  const int32_t* costs_of(int64_t x, int64_t first, int64_t last) const {
    int32_t* cost = costs_;
    for (int64_t i = 0; i <= last - first; i += kInts)
      store(cost + i, load<Ints>(far_ + first + i) + load<Ints>(square_ + (first + i - x)));
    return cost;
  }

  void envelope(const G* g, int64_t first, int64_t last, int64_t x0, int64_t x1) {
    Envelope<int64_t> lower(shape_.height, shape_.width);
    for (int64_t s = first; s <= last; ++s) {
      const int64_t d = static_cast<int64_t>(g[s]);
      lower.square(s) = near_[kBytes + s] == 0 ? 0 : g[s] == columns::none_of<G>() ? -1 : d * d;
    }
    lower.run(first, last, x0, x1);
    for (int64_t x = x0; x < x1; ++x) out_[x] = distance::finish(lower.squared_distance(x), shape_.squared);
  }

  const Shape& shape_;
  const int32_t* square_;
  const bool to_ink_;
  const int64_t blocks_;
  uint8_t *near_, *open_, *rest_;
  int32_t *far_, *costs_, *bound_;
  float *row_, *out_ = nullptr;
};

}  // namespace rows
}  // namespace PA_ISA
}  // namespace pyapdraw
