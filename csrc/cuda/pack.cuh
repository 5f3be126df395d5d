#pragma once
// Neighbouring elements that one instruction loads or stores: 16 bytes a thread where memory allows it.
#include <cuda_runtime.h>

#include <cstdint>
#include <cstring>

#include "pyapdraw/tensor.h"

namespace pyapdraw {
namespace cuda {

template <typename T, int N>
struct alignas(sizeof(T) * N) Pack {
  T v[N];
};

// Elements of T in 16 bytes.
template <typename T>
constexpr int kPack = static_cast<int>(16 / sizeof(T));

// What one instruction stores of so many bytes. Left to the compiler, a pack beside a row that is stored element by
// element becomes single stores too: hence words, and __stcg, which stays what it is.
template <int bytes>
struct Word {
  using type = uint4;
};
template <>
struct Word<8> {
  using type = uint2;
};
template <>
struct Word<4> {
  using type = uint32_t;
};
template <>
struct Word<2> {
  using type = uint16_t;
};
template <>
struct Word<1> {
  using type = uint8_t;
};

// from: a multiple of the pack's bytes.
template <int N, typename T>
__device__ inline Pack<T, N> load_pack(const T* from) {
  return *reinterpret_cast<const Pack<T, N>*>(from);
}
template <int N, typename T>
__device__ inline void store_pack(const Pack<T, N>& pack, T* to) {
  using W = typename Word<static_cast<int>(sizeof(pack))>::type;
  constexpr int words = static_cast<int>(sizeof(pack) / sizeof(W));
  W word[words];
  memcpy(word, &pack, sizeof(pack));
  for (int k = 0; k < words; ++k) __stcg(reinterpret_cast<W*>(to) + k, word[k]);
}

// N elements of a row from x on, of which `count` are there; step: from one to the next, 1 where N > 1 and all are.
template <int N, typename T>
__device__ inline void load_row(const T* row, int64_t step, int64_t x, int count, T (&v)[N]) {
  if (N > 1 && count == N) {
    const Pack<T, N> pack = load_pack<N>(row + x);
    for (int k = 0; k < N; ++k) v[k] = pack.v[k];
  } else {
    for (int k = 0; k < N; ++k)
      if (k < count) v[k] = row[(x + k) * step];
  }
}
template <int N, typename T>
__device__ inline void store_row(T* row, int64_t step, int64_t x, int count, const T (&v)[N]) {
  if (N > 1 && count == N) {
    Pack<T, N> pack;
    for (int k = 0; k < N; ++k) pack.v[k] = v[k];
    store_pack(pack, row + x);
  } else {
    for (int k = 0; k < N; ++k)
      if (k < count) row[(x + k) * step] = v[k];
  }
}

// Whether elements next to each other along `axis` are neighbours in memory, and every row along it begins at a
// multiple of `bytes`: whole packs then lie aligned in a row. Other axes of one element do not count.
inline bool packed_along(const Tensor& t, int axis, int64_t bytes) {
  const int64_t item = item_bytes(t.dtype);
  if (reinterpret_cast<uintptr_t>(t.data) % static_cast<uintptr_t>(bytes)) return false;
  for (int i = 0; i < t.ndim; ++i) {
    if (t.shape[i] == 1) continue;
    if (i == axis ? t.stride[i] != 1 : t.stride[i] * item % bytes != 0) return false;
  }
  return true;
}

// Whether the elements fill their memory without gaps, in some order of the axes. Only for tensors whose elements do
// not share memory, as outputs are.
inline bool dense(const Tensor& t) {
  int64_t reach = 1;
  for (int i = 0; i < t.ndim; ++i) {
    if (t.shape[i] == 1) continue;
    if (t.stride[i] < 1) return false;
    reach += (t.shape[i] - 1) * t.stride[i];
  }
  return reach == t.numel();
}

// Whether the same index is the same offset in both.
inline bool same_strides(const Tensor& a, const Tensor& b) {
  for (int i = 0; i < a.ndim; ++i)
    if (a.shape[i] != 1 && a.stride[i] != b.stride[i]) return false;
  return true;
}

}  // namespace cuda
}  // namespace pyapdraw
