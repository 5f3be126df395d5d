#pragma once
// Atomic operations: relaxed, as on the device.
#include <cstring>

namespace emulated {

// *address becomes f(*address); gives the old value.
template <typename T, typename Bits, typename F>
T atomic_update(T* address, F f) {
  Bits* bits = reinterpret_cast<Bits*>(address);
  Bits old = __atomic_load_n(bits, __ATOMIC_RELAXED), next;
  T value, changed;
  do {
    std::memcpy(&value, &old, sizeof value);
    changed = f(value);
    std::memcpy(&next, &changed, sizeof next);
  } while (!__atomic_compare_exchange_n(bits, &old, next, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
  std::memcpy(&value, &old, sizeof value);
  return value;
}

}  // namespace emulated

#define EMULATED_ATOMICS(T)                                                                  \
  inline T atomicAdd(T* p, T v) { return __atomic_fetch_add(p, v, __ATOMIC_RELAXED); }       \
  inline T atomicAnd(T* p, T v) { return __atomic_fetch_and(p, v, __ATOMIC_RELAXED); }       \
  inline T atomicOr(T* p, T v) { return __atomic_fetch_or(p, v, __ATOMIC_RELAXED); }         \
  inline T atomicXor(T* p, T v) { return __atomic_fetch_xor(p, v, __ATOMIC_RELAXED); }       \
  inline T atomicExch(T* p, T v) { return __atomic_exchange_n(p, v, __ATOMIC_RELAXED); }     \
  inline T atomicCAS(T* p, T expected, T v) {                                                \
    __atomic_compare_exchange_n(p, &expected, v, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED); \
    return expected;                                                                         \
  }                                                                                          \
  inline T atomicMin(T* p, T v) {                                                            \
    return emulated::atomic_update<T, T>(p, [v](T old) { return v < old ? v : old; });       \
  }                                                                                          \
  inline T atomicMax(T* p, T v) {                                                            \
    return emulated::atomic_update<T, T>(p, [v](T old) { return old < v ? v : old; });       \
  }
EMULATED_ATOMICS(int)
EMULATED_ATOMICS(unsigned)
EMULATED_ATOMICS(long long)
EMULATED_ATOMICS(unsigned long long)
#undef EMULATED_ATOMICS

inline int atomicSub(int* p, int v) { return __atomic_fetch_sub(p, v, __ATOMIC_RELAXED); }
inline unsigned atomicSub(unsigned* p, unsigned v) { return __atomic_fetch_sub(p, v, __ATOMIC_RELAXED); }
inline unsigned atomicInc(unsigned* p, unsigned limit) {
  return emulated::atomic_update<unsigned, unsigned>(p, [limit](unsigned old) { return old >= limit ? 0 : old + 1; });
}
inline float atomicAdd(float* p, float v) {
  return emulated::atomic_update<float, unsigned>(p, [v](float old) { return old + v; });
}
inline double atomicAdd(double* p, double v) {
  return emulated::atomic_update<double, unsigned long long>(p, [v](double old) { return old + v; });
}
inline float atomicExch(float* p, float v) {
  return emulated::atomic_update<float, unsigned>(p, [v](float) { return v; });
}
