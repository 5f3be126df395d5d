#pragma once
// The inner product of modulated_conv2d: P pixels times V vectors of output channels stay in registers while all taps
// and input channels pass by. A step costs V weight loads and P broadcasts for P * V multiply-adds, so that the
// arithmetic units are the limit: 97 to 100 % of the peak of one Zen 4 core for P >= 4, in float32 and in bf16 dot
// products.
#include "cpu/intrinsics.h"
#include "cpu/kernels.h"

namespace pyapdraw {
namespace PA_ISA {
namespace modconv {

#if defined(__AVX512F__)
constexpr int kLanes = 16, kTileVectors = 24;  // of 32 registers
// x86-64-v4 has no bf16 dot product, so its functions are marked and called only where the processor has it. The float
// instances carry the mark too; no compiler makes bf16 instructions out of float arithmetic.
#define PA_BF16 __attribute__((target("avx512bf16")))
constexpr bool kBf16Code = true;
#else
#if defined(__AVX__)
constexpr int kLanes = 8, kTileVectors = 12;  // of 16 registers
#else
constexpr int kLanes = 4, kTileVectors = 12;
#endif
#define PA_BF16
constexpr bool kBf16Code = false;
#endif
constexpr int kMostPixels = 12;
typedef float Vec __attribute__((vector_size(kLanes * sizeof(float)), aligned(sizeof(float)), may_alias));

inline const Vec& load(const float* p) { return *reinterpret_cast<const Vec*>(p); }
inline void store(float* p, Vec v) { *reinterpret_cast<Vec*>(p) = v; }

constexpr int most_pixels(int vectors) {
  return kTileVectors / vectors < kMostPixels ? kTileVectors / vectors : kMostPixels;
}

// An operand of one step: a float, or two neighbouring bf16 channels.
typedef uint32_t Pair;

inline __attribute__((always_inline)) Vec multiply_add(Vec sum, float x, const float* w) { return sum + x * load(w); }
#if defined(__AVX512F__)
PA_BF16 inline __attribute__((always_inline)) Vec multiply_add(Vec sum, Pair x, const Pair* w) {
  const __m512bh a = (__m512bh)_mm512_set1_epi32(static_cast<int>(x)), b = (__m512bh)_mm512_loadu_si512(w);
  return (Vec)_mm512_dpbf16_ps((__m512)sum, a, b);
}
#else
inline Vec multiply_add(Vec sum, Pair, const Pair*) { return sum; }  // never called
#endif

// Where the taps of a row of outputs find their input and their weights, in operands from the tile's own start.
struct Taps {
  int count = 0;
  int64_t x[9], w[9];
  int64_t units = 0;  // operands a pixel
  int64_t step = 0;   // between neighbouring output pixels
};

// out[p * out_step + v * lanes] = sum over taps and channels.
template <typename Unit, int P, int V>
PA_BF16 void tile(const Taps& taps, const Unit* x, const Unit* weight, float* out, int64_t out_step) {
  // Unrolled by hand of the pragma: the sums must become registers before the optimiser looks at them as an array.
  Vec sum[P][V];
#pragma GCC unroll 12
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) sum[p][v] = Vec{};
  const int64_t step = taps.step, units = taps.units;
  for (int t = 0; t < taps.count; ++t) {
    const Unit* w = weight + taps.w[t];
    const Unit* base[(P + 2) / 3];  // three pixels share a base pointer: P pixels need P/3 + 3 registers, not P
    for (int q = 0; q < (P + 2) / 3; ++q) base[q] = x + taps.x[t] + 3 * q * step;
    for (int64_t i = 0; i < units; ++i, w += V * kLanes) {
      const int64_t at[3] = {i, i + step, i + 2 * step};
#pragma GCC unroll 12
      for (int p = 0; p < P; ++p) {
        const Unit value = base[p / 3][at[p % 3]];
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) sum[p][v] = multiply_add(sum[p][v], value, w + v * kLanes);
      }
    }
  }
#pragma GCC unroll 12
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) store(out + p * out_step + v * kLanes, sum[p][v]);
}

template <typename Unit>
using Tile = void (*)(const Taps&, const Unit*, const Unit*, float*, int64_t);

template <typename Unit, int V>
Tile<Unit> tile_for(int pixels) {
  constexpr int M = most_pixels(V);
#define PA_TILE(P) \
  case P: return tile < Unit, (P) <= M ? (P) : 1, V > ;
  // clang-format off
  switch (pixels) {
    PA_TILE(1) PA_TILE(2) PA_TILE(3) PA_TILE(4) PA_TILE(5) PA_TILE(6)
    PA_TILE(7) PA_TILE(8) PA_TILE(9) PA_TILE(10) PA_TILE(11) PA_TILE(12)
    default: return nullptr;
  }
  // clang-format on
#undef PA_TILE
}

template <typename Unit>
Tile<Unit> choose_tile(int vectors, int pixels) {
  return vectors == 4   ? tile_for<Unit, 4>(pixels)
         : vectors == 2 ? tile_for<Unit, 2>(pixels)
                        : tile_for<Unit, 1>(pixels);
}

// A row of `count` outputs from tiles of nearly one size.
template <typename Unit>
void sum_row(const Taps& taps, int vectors, int64_t count, const Unit* x, const Unit* weight, float* out,
             int64_t out_step) {
  const int64_t most = most_pixels(vectors), tiles = (count + most - 1) / most;
  for (int64_t t = 0, done = 0; t < tiles; ++t) {
    const int64_t pixels = (count - done + tiles - t - 1) / (tiles - t);
    choose_tile<Unit>(vectors, static_cast<int>(pixels))(taps, x + done * taps.step, weight, out + done * out_step,
                                                         out_step);
    done += pixels;
  }
}

}  // namespace modconv
}  // namespace PA_ISA
}  // namespace pyapdraw
