// The results of warp operations, computed by whichever lane comes last. Not instrumented by the thread sanitizer:
// lanes exchange values here, not memory.
#include "warp.h"

#include <cstdint>

namespace emulated {

namespace {

template <typename T>
void move(const Lane (&lanes)[32], unsigned mask) {
  T values[32];  // an out may be the in of another lane
  for (int l = 0; l < 32; ++l)
    if (mask >> l & 1) values[l] = *static_cast<const T*>(lanes[l].in);
  for (int l = 0; l < 32; ++l) {
    if (!(mask >> l & 1)) continue;
    const int from = lanes[l].argument;
    *static_cast<T*>(lanes[l].out) =
        from >= 0 && from < 32 && (mask >> from & 1) ? values[from] : static_cast<T>(~T{0});
  }
}

void combine_ballot(const Lane (&lanes)[32], unsigned mask) {
  unsigned votes = 0;
  for (int l = 0; l < 32; ++l)
    if (mask >> l & 1) votes |= static_cast<unsigned>(lanes[l].argument != 0) << l;
  for (int l = 0; l < 32; ++l)
    if (mask >> l & 1) *static_cast<unsigned*>(lanes[l].out) = votes;
}

void combine_match(const Lane (&lanes)[32], unsigned mask) {
  const auto value = [&](int l) { return *static_cast<const unsigned long long*>(lanes[l].in); };
  for (int l = 0; l < 32; ++l) {
    if (!(mask >> l & 1)) continue;
    unsigned same = 0;
    for (int k = 0; k < 32; ++k)
      if ((mask >> k & 1) && value(k) == value(l)) same |= 1u << k;
    *static_cast<unsigned*>(lanes[l].out) = same;
  }
}

unsigned reduce_two(unsigned a, unsigned b, Reduction how) {
  const int i = static_cast<int>(a), k = static_cast<int>(b);
  switch (how) {
    case Reduction::min_u: return a < b ? a : b;
    case Reduction::max_u: return a > b ? a : b;
    case Reduction::min_s: return i < k ? a : b;
    case Reduction::max_s: return i > k ? a : b;
    case Reduction::and_u: return a & b;
    case Reduction::or_u: return a | b;
    case Reduction::xor_u: return a ^ b;
    default: return a + b;
  }
}

void combine_reduce(const Lane (&lanes)[32], unsigned mask) {
  unsigned total = 0;
  bool first = true;
  for (int l = 0; l < 32; ++l) {
    if (!(mask >> l & 1)) continue;
    const unsigned value = *static_cast<const unsigned*>(lanes[l].in);
    total = first ? value : reduce_two(total, value, static_cast<Reduction>(lanes[l].argument));
    first = false;
  }
  for (int l = 0; l < 32; ++l)
    if (mask >> l & 1) *static_cast<unsigned*>(lanes[l].out) = total;
}

}  // namespace

void shuffle(unsigned mask, const void* in, void* out, size_t bytes, int from, const Where& where) {
  const Combine combine = bytes == 2 ? move<uint16_t> : bytes == 4 ? move<uint32_t> : move<uint64_t>;
  collective(mask, where, combine, {in, out, from});
}

unsigned ballot(unsigned mask, int predicate, const Where& where) {
  unsigned votes = 0;
  collective(mask, where, combine_ballot, {nullptr, &votes, predicate});
  return votes;
}

unsigned match_any(unsigned mask, unsigned long long value, const Where& where) {
  unsigned same = 0;
  collective(mask, where, combine_match, {&value, &same, 0});
  return same;
}

unsigned reduce(unsigned mask, unsigned value, Reduction how, const Where& where) {
  unsigned total = 0;
  collective(mask, where, combine_reduce, {&value, &total, static_cast<int>(how)});
  return total;
}

void sync_warp(unsigned mask, const Where& where) { collective(mask, where, nullptr, {}, true); }

}  // namespace emulated
