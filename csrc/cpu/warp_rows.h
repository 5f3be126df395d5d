#pragma once
// One row of a warp with bilinear sampling in double precision, equal to the definition to the bit (files that include
// this are compiled without fused multiply-add). Method: along an output row the set of pixels whose four taps are
// inside the image is one interval, found by bisection; inside it, coordinates, tap loads and interpolation are plain
// loops over blocks of 64 pixels; outside it, one careful sample a pixel.
#include <cstring>

#include "cpu/rows.h"
#include "cpu/warp_span.h"

namespace pyapdraw {
namespace PA_ISA {
namespace {

constexpr int64_t kBlock = 64;

// The sampled image: `data` is its pixel (x0, y0), of which everything needed is stored.
template <typename T>
struct Sampled {
  Plane<T> plane;
  int64_t x0, y0;
  int64_t offset(int64_t x, int64_t y) const { return (y - y0) * plane.row + (x - x0) * plane.step; }
};

// Output pixels of row y in [0, n) with low <= s < high along one axis; s is monotone in x.
Span inside_axis(const double* m, double y, int64_t n, double low, double high) {
  const auto at = [&](int64_t x) { return map_axis(m, static_cast<double>(x), y); };
  const auto first = [&](auto holds) {  // smallest x in [0, n] from which `holds` is true
    int64_t a = 0, b = n;
    while (a < b) {
      const int64_t mid = a + (b - a) / 2;
      if (holds(at(mid)))
        b = mid;
      else
        a = mid + 1;
    }
    return a;
  };
  if (m[0] >= 0.0) return {first([&](double s) { return s >= low; }), first([&](double s) { return s >= high; })};
  return {first([&](double s) { return s < high; }), first([&](double s) { return s < low; })};
}

// Pixels with all four taps inside, `spare` columns away from the right border (wide loads).
Span inside(const WarpPlan& p, int64_t y, int64_t n, int64_t spare) {
  const Span a = inside_axis(p.m, static_cast<double>(y), n, 0.0, static_cast<double>(p.reduced_w - 1 - spare));
  const Span b = inside_axis(p.m + 3, static_cast<double>(y), n, 0.0, static_cast<double>(p.reduced_h - 1));
  const Span s{a.begin > b.begin ? a.begin : b.begin, a.end < b.end ? a.end : b.end};
  return s.begin < s.end ? s : Span{0, 0};
}

// Pixels with any tap inside; beyond them there is only border.
Span touching(const WarpPlan& p, int64_t y, int64_t n) {
  if (p.border == Border::edge) return {0, n};
  const Span a = inside_axis(p.m, static_cast<double>(y), n, -1.0, static_cast<double>(p.reduced_w));
  const Span b = inside_axis(p.m + 3, static_cast<double>(y), n, -1.0, static_cast<double>(p.reduced_h));
  const Span s{a.begin > b.begin ? a.begin : b.begin, a.end < b.end ? a.end : b.end};
  return s.begin < s.end ? s : Span{0, 0};
}

template <typename T, int C>
void fill(double value, Span span, T* row, int64_t step) {
  T border;
  put_sample(value, &border);
  for (int64_t x = span.begin; x < span.end; ++x)
    for (int c = 0; c < C; ++c) row[x * step + c] = border;
}

template <typename T, int C>
void careful(const WarpPlan& p, const Sampled<T>& in, int64_t y, Span span, T* row, int64_t step) {
  for (int64_t x = span.begin; x < span.end; ++x) {
    const Sample s = locate(p, x, y);
    for (int c = 0; c < C; ++c) {
      const double v = interpolate(
          p, s, [&](int64_t u, int64_t w) { return static_cast<double>(in.plane.data[in.offset(u, w) + c]); });
      put_sample(v, row + x * step + c);
    }
  }
}

struct Block {
  alignas(64) double fx[kBlock], fy[kBlock];
  alignas(64) float fx_single[kBlock], fy_single[kBlock];
  alignas(64) int64_t offset[kBlock];
  alignas(64) uint32_t tap[4][kBlock];  // upper left, upper right, lower left, lower right; channel c at bit 8*c
};

// Coordinates of n pixels from (x, y); all inside, so truncation is floor.
template <typename T>
void locate_block(const WarpPlan& p, const Sampled<T>& in, int64_t x, int64_t y, int n, Block& b) {
  const double x_base = static_cast<double>(x), y_at = static_cast<double>(y);
  for (int i = 0; i < n; ++i) {
    const double at = x_base + static_cast<double>(i);
    const double sx = map_axis(p.m, at, y_at), sy = map_axis(p.m + 3, at, y_at);
    const int32_t ix = static_cast<int32_t>(sx), iy = static_cast<int32_t>(sy);
    b.fx[i] = sx - static_cast<double>(ix);
    b.fy[i] = sy - static_cast<double>(iy);
    b.fx_single[i] = static_cast<float>(b.fx[i]);
    b.fy_single[i] = static_cast<float>(b.fy[i]);
    b.offset[i] = (iy - in.y0) * in.plane.row + (ix - in.x0) * in.plane.step;
  }
}

template <int C>
void load_taps(const Sampled<uint8_t>& in, int n, Block& b) {
  for (int i = 0; i < n; ++i) {
    const uint8_t* at = in.plane.data + b.offset[i];
    for (int k = 0; k < 2; ++k, at += in.plane.row) {
      if (C == 3) {
        uint64_t both;
        std::memcpy(&both, at, 8);
        b.tap[2 * k][i] = static_cast<uint32_t>(both);
        b.tap[2 * k + 1][i] = static_cast<uint32_t>(both >> 24);
      } else {
        b.tap[2 * k][i] = at[0];
        b.tap[2 * k + 1][i] = at[1];
      }
    }
  }
}

#if defined(__AVX512BW__)
// One channel: both taps of a row come with one gathered word, which may reach two bytes beyond them.
template <>
void load_taps<1>(const Sampled<uint8_t>& in, int n, Block& b) {
  const int64_t* offset = b.offset;
  for (int i = 0; i < n; i += 8) {
    const __mmask8 lanes = static_cast<__mmask8>(n - i >= 8 ? 0xff : (1 << (n - i)) - 1);
    const __m512i at = _mm512_maskz_loadu_epi64(lanes, offset + i);
    for (int k = 0; k < 2; ++k) {
      const __m256i word =
          _mm512_mask_i64gather_epi32(_mm256_setzero_si256(), lanes, at, in.plane.data + k * in.plane.row, 1);
      _mm256_store_si256(reinterpret_cast<__m256i*>(b.tap[2 * k] + i), word);
      _mm256_store_si256(reinterpret_cast<__m256i*>(b.tap[2 * k + 1] + i), _mm256_srli_epi32(word, 8));
    }
  }
}
#endif

// Columns at the right border that wide loads must keep away from.
template <int C>
constexpr int64_t spare_columns() {
  return C == 3 ? 1 : 3;
}

// The definition, for the channel at bit `shift`.
template <int shift>
void lerp_exactly(const Block& b, int n, uint8_t* __restrict out) {
  const auto tap = [&](int k, int i) { return static_cast<double>(static_cast<int32_t>(b.tap[k][i] >> shift & 255)); };
  for (int i = 0; i < n; ++i) {
    const double top = lerp_exact(tap(0, i), tap(1, i), b.fx[i]), bottom = lerp_exact(tap(2, i), tap(3, i), b.fx[i]);
    out[i] = static_cast<uint8_t>(static_cast<int32_t>(lerp_exact(top, bottom, b.fy[i]) + 0.5));
  }
}

// The same bytes at twice the speed: single precision errs by less than 1e-4 (weights 2^-24,
// six roundings of values up to 255), so a value further than that from a tie rounds alike; a
// block with any value nearer is done again exactly.
template <int shift>
void lerp_block(const Block& b, int n, uint8_t* __restrict out) {
  constexpr float kDoubt = 2e-4f;
  const auto tap = [&](int k, int i) { return static_cast<float>(static_cast<int32_t>(b.tap[k][i] >> shift & 255)); };
  int32_t doubts = 0;
  for (int i = 0; i < n; ++i) {
    const float fx = b.fx_single[i], fy = b.fy_single[i];
    const float top = (1.0f - fx) * tap(0, i) + fx * tap(1, i), bottom = (1.0f - fx) * tap(2, i) + fx * tap(3, i);
    const float v = (1.0f - fy) * top + fy * bottom + 0.5f;
    const int32_t byte = static_cast<int32_t>(v);
    const float beyond = v - static_cast<float>(byte);
    doubts += beyond < kDoubt || beyond > 1.0f - kDoubt ? 1 : 0;
    out[i] = static_cast<uint8_t>(byte);
  }
  if (doubts) lerp_exactly<shift>(b, n, out);
}

void rgb_block(const Block& b, int n, uint8_t* out) {
  uint8_t r[kBlock], g[kBlock], blue[kBlock];
  lerp_block<0>(b, n, r);
  lerp_block<8>(b, n, g);
  lerp_block<16>(b, n, blue);
  interleave3(r, g, blue, out, n);
}

// Little-endian packed bytes only: the wide loads rely on it.
template <typename T, int C>
constexpr bool has_blocks() {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  return sizeof(T) == 1 && (C == 1 || C == 3);
#else
  return false;
#endif
}

template <int C>
void fast_span(const WarpPlan& p, const Sampled<uint8_t>& in, int64_t y, Span span, uint8_t* row) {
  Block b;
  for (int64_t x = span.begin; x < span.end; x += kBlock) {
    const int n = static_cast<int>(span.end - x < kBlock ? span.end - x : kBlock);
    locate_block(p, in, x, y, n, b);
    load_taps<C>(in, n, b);
    if (C == 3)
      rgb_block(b, n, row + 3 * x);
    else
      lerp_block<0>(b, n, row + x);
  }
}

// The same for two single-channel images of one geometry: coordinates once.
inline void fast_pair(const WarpPlan& p, const Sampled<uint8_t>* in, int64_t y, Span span, uint8_t* const* rows) {
  Block b;
  for (int64_t x = span.begin; x < span.end; x += kBlock) {
    const int n = static_cast<int>(span.end - x < kBlock ? span.end - x : kBlock);
    locate_block(p, in[0], x, y, n, b);
    for (int k = 0; k < 2; ++k) {
      load_taps<1>(in[k], n, b);
      lerp_block<0>(b, n, rows[k] + x);
    }
  }
}

// Pixels `columns` of output row y; row + x * step is pixel x. blocks: the wide loads are allowed.
template <typename T, int C>
void warp_row(const WarpPlan& p, const Sampled<T>& in, int64_t y, Span columns, bool blocks, T* row, int64_t step) {
  Span any = touching(p, y, columns.end);
  any.begin = any.begin < columns.begin ? columns.begin : any.begin;
  if (any.begin >= any.end) any = {columns.begin, columns.begin};
  Span fast{any.begin, any.begin};
  if constexpr (has_blocks<T, C>())
    if (blocks) {
      Span all = inside(p, y, columns.end, spare_columns<C>());
      if (all.begin < columns.begin) all.begin = columns.begin;
      if (all.begin < all.end) fast = all;
      fast_span<C>(p, in, y, fast, row);
    }
  careful<T, C>(p, in, y, {any.begin, fast.begin}, row, step);
  careful<T, C>(p, in, y, {fast.end, any.end}, row, step);
  fill<T, C>(p.border_value, {columns.begin, any.begin}, row, step);
  fill<T, C>(p.border_value, {any.end, columns.end}, row, step);
}

// Whether warp_row may use its wide loads.
template <typename T, int C>
bool may_block(const WarpPlan& p, const Sampled<T>& in, int64_t out_step) {
  return has_blocks<T, C>() && in.plane.step == C && out_step == C && p.reduced_w < (1 << 30) &&
         p.reduced_h < (1 << 30);
}

}  // namespace
}  // namespace PA_ISA
}  // namespace pyapdraw
