// Affine warp with bilinear sampling in double precision, equal to the definition to the bit
// (this file is compiled without fused multiply-add). Method: along an output row the set of
// pixels whose four taps are inside the image is one interval, found by bisection; inside it,
// coordinates, tap loads (two 8-byte loads bring the four RGB taps) and interpolation are
// plain loops over blocks of 64 pixels; outside it, one careful sample a pixel. Reduction before
// sampling (antialias) is resize_region on the part of the image that the output sees.
#include <cstring>

#include "core/warp_affine_math.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"
#include "cpu/planes.h"
#include "cpu/rows.h"
#include "cpu/scratch.h"
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

template <typename T, int C>
void warp(const WarpPlan& p, const Sampled<T>& in, const Plane<T>& out, Size size, const Context& ctx) {
  const bool blocks =
      has_blocks<T, C>() && in.plane.step == C && out.step == C && p.reduced_w < (1 << 30) && p.reduced_h < (1 << 30);
  parallel_for(size.h, 16, ctx, [&](int64_t begin, int64_t end) {
    for (int64_t y = begin; y < end; ++y) {
      T* row = out.data + y * out.row;
      const Span any = touching(p, y, size.w);
      Span fast{any.begin, any.begin};
      if constexpr (has_blocks<T, C>())
        if (blocks) {
          const Span all = inside(p, y, size.w, C == 3 ? 1 : 0);
          if (all.begin < all.end) fast = all;
          fast_span<C>(p, in, y, fast, row);
        }
      careful<T, C>(p, in, y, {any.begin, fast.begin}, row, out.step);
      careful<T, C>(p, in, y, {fast.end, any.end}, row, out.step);
      fill<T, C>(p.border_value, {0, any.begin}, row, out.step);
      fill<T, C>(p.border_value, {any.end, size.w}, row, out.step);
    }
  });
}

template <typename T>
void run(const Tensor& image, const Tensor& out, const WarpPlan& plan, Span across, Span down, const Context& ctx) {
  const Size size{out.shape[1], out.shape[0]};
  for_each_plane<T>(image, out, [&](const Plane<T>& in, const Plane<T>& to, auto channels) {
    warp<T, decltype(channels)::value>(plan, Sampled<T>{in, across.begin, down.begin}, to, size, ctx);
  });
}

// A tensor of the same channels and layout (interleaved or planar) over `data`.
Tensor like(const Tensor& image, void* data, int64_t h, int64_t w) {
  Tensor t = image;
  t.data = data;
  t.shape[0] = h;
  t.shape[1] = w;
  const int64_t c = channels_of(image);
  const bool packed = packed_pixels(image);
  t.stride[0] = packed ? w * c : w;
  t.stride[1] = packed ? c : 1;
  t.stride[2] = packed ? 1 : w * h;
  return t;
}

}  // namespace

void warp_affine(const Tensor& image, const Tensor& out, const WarpPlan& plan, const Context& ctx) {
  if (out.numel() == 0) return;
  const bool reduced = plan.reduced_w != image.shape[1] || plan.reduced_h != image.shape[0];
  if (!reduced) {
    if (image.dtype == DType::u8)
      run<uint8_t>(image, out, plan, {0, 0}, {0, 0}, ctx);
    else
      run<float>(image, out, plan, {0, 0}, {0, 0}, ctx);
    return;
  }
  const Size size{out.shape[1], out.shape[0]};
  const Span across = touched(plan.m, size, plan.reduced_w), down = touched(plan.m + 3, size, plan.reduced_h);
  const Region region{across.begin, down.begin, across.end - across.begin, down.end - down.begin};
  Scratch<uint8_t> memory(region.w * region.h * channels_of(image) * item_bytes(image.dtype) +
                          64);  // wide loads may pass the end
  const Tensor small = like(image, memory.get(), region.h, region.w);
  resize_region(image, {plan.reduced_w, plan.reduced_h}, region, small, ctx);
  if (image.dtype == DType::u8)
    run<uint8_t>(small, out, plan, across, down, ctx);
  else
    run<float>(small, out, plan, across, down, ctx);
}

}  // namespace PA_ISA
}  // namespace pyapdraw
