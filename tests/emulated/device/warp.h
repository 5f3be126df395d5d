#pragma once
// Operations of a warp. All lanes of the mask have to come to the same operation with the same mask, and none of them
// may have ended: what a real device leaves undefined is a fault here. A value from a lane that does not take part is
// poison. Only __syncwarp orders memory.
#include <cstring>

#include "device.h"

namespace emulated {

// The value (1 to 16 bytes) of lane `from` into out.
void shuffle(unsigned mask, const void* in, void* out, size_t bytes, int from, const Where& where);
enum class Reduction { add_u, add_s, min_u, min_s, max_u, max_s, and_u, or_u, xor_u };
unsigned reduce(unsigned mask, unsigned value, Reduction how, const Where& where);
unsigned ballot(unsigned mask, int predicate, const Where& where);
unsigned match_any(unsigned mask, unsigned long long value, const Where& where);
void sync_warp(unsigned mask, const Where& where);

// Lanes of a width (a power of two up to 32) that begins at a multiple of it.
inline int up(int lane, int delta, int width) { return lane % width - delta < 0 ? lane : lane - delta; }
inline int down(int lane, int delta, int width) { return lane % width + delta >= width ? lane : lane + delta; }
inline int exchanged(int lane, int bits, int width) {
  const int from = lane ^ bits;
  return from / width > lane / width ? lane : from;
}
inline int indexed(int lane, int from, int width) { return lane / width * width + (from & (width - 1)); }

template <typename T>
T shuffled(unsigned mask, T value, int from, const Where& where) {
  static_assert(sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8, "what CUDA shuffles");
  T out = value;
  shuffle(mask, &value, &out, sizeof(T), from, where);
  return out;
}

}  // namespace emulated

template <typename T>
inline T __shfl_sync(unsigned mask, T value, int lane, int width = 32, EMULATED_WHERE) {
  return emulated::shuffled(mask, value, emulated::indexed(emulated::lane_index(), lane, width),
                            {"__shfl_sync", file, line});
}
template <typename T>
inline T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, EMULATED_WHERE) {
  return emulated::shuffled(mask, value, emulated::up(emulated::lane_index(), static_cast<int>(delta), width),
                            {"__shfl_up_sync", file, line});
}
template <typename T>
inline T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, EMULATED_WHERE) {
  return emulated::shuffled(mask, value, emulated::down(emulated::lane_index(), static_cast<int>(delta), width),
                            {"__shfl_down_sync", file, line});
}
template <typename T>
inline T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32, EMULATED_WHERE) {
  return emulated::shuffled(mask, value, emulated::exchanged(emulated::lane_index(), bits, width),
                            {"__shfl_xor_sync", file, line});
}

inline unsigned __ballot_sync(unsigned mask, int predicate, EMULATED_WHERE) {
  return emulated::ballot(mask, predicate, {"__ballot_sync", file, line});
}
inline int __any_sync(unsigned mask, int predicate, EMULATED_WHERE) {
  return emulated::ballot(mask, predicate, {"__any_sync", file, line}) != 0;
}
inline int __all_sync(unsigned mask, int predicate, EMULATED_WHERE) {
  return emulated::ballot(mask, !predicate, {"__all_sync", file, line}) == 0;
}
template <typename T>
inline unsigned __match_any_sync(unsigned mask, T value, EMULATED_WHERE) {
  unsigned long long bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return emulated::match_any(mask, bits, {"__match_any_sync", file, line});
}
inline void __syncwarp(unsigned mask = 0xffffffffu, EMULATED_WHERE) {
  emulated::sync_warp(mask, {"__syncwarp", file, line});
}
inline unsigned __activemask() { return emulated::live_lanes(); }

#define EMULATED_REDUCE(op)                                                                                   \
  inline unsigned __reduce_##op##_sync(unsigned mask, unsigned value, EMULATED_WHERE) {                       \
    return emulated::reduce(mask, value, emulated::Reduction::op##_u, {"__reduce_" #op "_sync", file, line}); \
  }
#define EMULATED_REDUCE_SIGNED(op)                                                                            \
  inline int __reduce_##op##_sync(unsigned mask, int value, EMULATED_WHERE) {                                 \
    return static_cast<int>(emulated::reduce(mask, static_cast<unsigned>(value), emulated::Reduction::op##_s, \
                                             {"__reduce_" #op "_sync", file, line}));                         \
  }
EMULATED_REDUCE(add)
EMULATED_REDUCE(min)
EMULATED_REDUCE(max)
EMULATED_REDUCE(and)
EMULATED_REDUCE(or)
EMULATED_REDUCE(xor)
EMULATED_REDUCE_SIGNED(add)
EMULATED_REDUCE_SIGNED(min)
EMULATED_REDUCE_SIGNED(max)
#undef EMULATED_REDUCE
#undef EMULATED_REDUCE_SIGNED
