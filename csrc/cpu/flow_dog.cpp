// Dark lines along the flow of a picture, and the flow itself.
//   Structure tensor (smoothed outer products of the gradient) -> tangent = its minor eigenvector, as in
//   [KLC07] Kang, Lee & Chui, Coherent line drawing, NPAR 2007, in the eigenvector form of
//   [WKO12] Winnemoeller, Kyprianidis & Olsen, XDoG, Computers & Graphics 36(6), 2012, section 2.6.
//   The smoothing is a line integral of Gaussian weight along the tangent, up to seven Euler steps to either side.
//   Lines: a wide Gaussian of the smoothed picture minus the picture itself, positive on dark lines. Smoothing comes
//   first and the difference is of isotropic Gaussians, where [KLC07] takes differences across the flow first.
// Numerics: float32; along the flow values are kept to 1/8192 up to +-4 and tangents to 1/32767. No sum depends on the
// number of threads.
// Limits: 2 to 8192 px a side. Keeps three planes of the picture's size and six of the tangents'.
#include "cpu/flow_dog.h"

#include "core/workspace.h"
#include "cpu/kernels.h"

#if defined(__AVX512F__)
// GCC 12 warns of its own "undefined" vectors here (GCC bug 105593).
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#endif

namespace pyapdraw {
namespace PA_ISA {
namespace inking {

namespace {

constexpr int kMaxSteps = 7;
constexpr int kLanes = 64;  // pixels that walk together

// Two signed 16-bit numbers in one word: a gather of one word costs the same as of one float, and half as many are
// needed. Tones and scores are kept to 1/8192 up to +-4 (tones beyond are white paper anyway), tangents to 1/32767.
constexpr float kUnit = 1.f / 8192, kTangentUnit = 1.f / 32767;
inline uint32_t pack(float a, float b, float unit) {
  const float scale = 1.f / unit, most = 32767.f;
  const int32_t low = static_cast<int32_t>(std::floor(clamp(a * scale, -most, most) + 0.5f));
  const int32_t high = static_cast<int32_t>(std::floor(clamp(b * scale, -most, most) + 0.5f));
  return (static_cast<uint32_t>(low) & 0xffffu) | (static_cast<uint32_t>(high) << 16);
}
inline float low_half(uint32_t v) { return static_cast<float>(static_cast<int32_t>(v << 16) >> 16); }
inline float high_half(uint32_t v) { return static_cast<float>(static_cast<int32_t>(v) >> 16); }

// One walk of kLanes neighbouring pixels; sign +1 or -1 gives the side.
struct Walk {
  const uint32_t *image, *tangent;  // packed pairs
  int32_t width, height, low;       // of the image; width of the tangents
  float inverse_factor, step;
  float x[kLanes], y[kLanes], dx[kLanes], dy[kLanes];

  void start(int64_t x0, int64_t y0, float sign) {
    const float right = static_cast<float>(width) - 1.001f, bottom = static_cast<float>(height) - 1.001f;
    for (int i = 0; i < kLanes; ++i) {
      const float px = static_cast<float>(x0 + i);
      x[i] = px < right ? px : right;
      y[i] = static_cast<float>(y0) < bottom ? static_cast<float>(y0) : bottom;
      const int32_t at = static_cast<int32_t>((y[i] + 0.5f) * inverse_factor) * low +
                         static_cast<int32_t>((x[i] + 0.5f) * inverse_factor);
      dx[i] = sign * low_half(tangent[at]) * kTangentUnit;
      dy[i] = sign * high_half(tangent[at]) * kTangentUnit;
    }
  }
  // One step, then sum += weight * image there.
  void advance(float weight, float* __restrict sum) {
    const float right = static_cast<float>(width) - 1.001f, bottom = static_cast<float>(height) - 1.001f;
#if defined(__AVX512F__)
    // The loop below with gathers, which the compiler does not use by itself.
    const __m512 most_x = _mm512_set1_ps(right), most_y = _mm512_set1_ps(bottom);
    const __m512 zero = _mm512_setzero_ps(), half = _mm512_set1_ps(0.5f);
    const __m512 stride = _mm512_set1_ps(step), share = _mm512_set1_ps(inverse_factor),
                 unit = _mm512_set1_ps(kTangentUnit);
    const __m512i pitch = _mm512_set1_epi32(width), cells = _mm512_set1_epi32(low);
    auto low_part = [](__m512i v) { return _mm512_cvtepi32_ps(_mm512_srai_epi32(_mm512_slli_epi32(v, 16), 16)); };
    auto high_part = [](__m512i v) { return _mm512_cvtepi32_ps(_mm512_srai_epi32(v, 16)); };
    for (int i = 0; i < kLanes; i += 16) {
      const __m512 gx = _mm512_loadu_ps(dx + i), gy = _mm512_loadu_ps(dy + i);
      __m512 px = _mm512_fmadd_ps(stride, gx, _mm512_loadu_ps(x + i)),
             py = _mm512_fmadd_ps(stride, gy, _mm512_loadu_ps(y + i));
      px = _mm512_min_ps(_mm512_max_ps(px, zero), most_x);
      py = _mm512_min_ps(_mm512_max_ps(py, zero), most_y);
      const __m512i ix = _mm512_cvttps_epi32(px), iy = _mm512_cvttps_epi32(py);
      const __m512 fx = _mm512_sub_ps(px, _mm512_cvtepi32_ps(ix)), fy = _mm512_sub_ps(py, _mm512_cvtepi32_ps(iy));
      const __m512i at = _mm512_add_epi32(_mm512_mullo_epi32(iy, pitch), ix);
      const __m512i above = _mm512_i32gather_epi32(at, image, 4);
      const __m512i below = _mm512_i32gather_epi32(_mm512_add_epi32(at, pitch), image, 4);
      const __m512i cx = _mm512_cvttps_epi32(_mm512_mul_ps(_mm512_add_ps(px, half), share));
      const __m512i cy = _mm512_cvttps_epi32(_mm512_mul_ps(_mm512_add_ps(py, half), share));
      const __m512i pair = _mm512_i32gather_epi32(_mm512_add_epi32(_mm512_mullo_epi32(cy, cells), cx), tangent, 4);
      const __m512 a = low_part(above), b = low_part(below);
      const __m512 top = _mm512_fmadd_ps(fx, _mm512_sub_ps(high_part(above), a), a);
      const __m512 bottom = _mm512_fmadd_ps(fx, _mm512_sub_ps(high_part(below), b), b);
      const __m512 value = _mm512_fmadd_ps(fy, _mm512_sub_ps(bottom, top), top);
      _mm512_storeu_ps(sum + i, _mm512_fmadd_ps(_mm512_set1_ps(weight), value, _mm512_loadu_ps(sum + i)));
      const __m512 nx = _mm512_mul_ps(low_part(pair), unit), ny = _mm512_mul_ps(high_part(pair), unit);
      const __mmask16 turn = _mm512_cmp_ps_mask(_mm512_fmadd_ps(nx, gx, _mm512_mul_ps(ny, gy)), zero, _CMP_LT_OQ);
      _mm512_storeu_ps(dx + i, _mm512_mask_sub_ps(nx, turn, zero, nx));
      _mm512_storeu_ps(dy + i, _mm512_mask_sub_ps(ny, turn, zero, ny));
      _mm512_storeu_ps(x + i, px);
      _mm512_storeu_ps(y + i, py);
    }
#else
    for (int i = 0; i < kLanes; ++i) {
      float px = x[i] + step * dx[i], py = y[i] + step * dy[i];
      px = px < 0.f ? 0.f : px;
      py = py < 0.f ? 0.f : py;
      px = px > right ? right : px;
      py = py > bottom ? bottom : py;
      const int32_t ix = static_cast<int32_t>(px), iy = static_cast<int32_t>(py);
      const float fx = px - static_cast<float>(ix), fy = py - static_cast<float>(iy);
      const int32_t at = iy * width + ix;
      const uint32_t above = image[at], below = image[at + width];
      const float top = low_half(above) + fx * (high_half(above) - low_half(above));
      const float bottom = low_half(below) + fx * (high_half(below) - low_half(below));
      sum[i] += weight * (top + fy * (bottom - top));
      const int32_t cell =
          static_cast<int32_t>((py + 0.5f) * inverse_factor) * low + static_cast<int32_t>((px + 0.5f) * inverse_factor);
      const uint32_t pair = tangent[cell];
      const float nx = low_half(pair) * kTangentUnit, ny = high_half(pair) * kTangentUnit;
      const float turn = nx * dx[i] + ny * dy[i] < 0.f ? -1.f : 1.f;  // a tangent has no direction of its own
      dx[i] = turn * nx;
      dy[i] = turn * ny;
      x[i] = px;
      y[i] = py;
    }
#endif
  }
};

}  // namespace

void find_tangents(const Plane& picture, float sigma, const Plane* products, const Plane& work, const Flow& flow,
                   const Context& ctx) {
  reduce_rows<3>(picture.w, picture.h, flow.factor, products, ctx, [&](int64_t y, float** rows) {
    float *gx = rows[0], *gy = rows[2], *xy = rows[1];
    gradient_row(picture, y, gx, gy);
    for (int64_t x = 0; x < picture.w; ++x) {
      const float u = gx[x], v = gy[x];
      gx[x] = u * u;
      xy[x] = u * v;
      gy[x] = v * v;
    }
  });
  for (int k = 0; k < 3; ++k) blur(products[k], products[k], work, sigma, ctx);
  each_row(flow.x.h, ctx, [&](int64_t y) {
    const float *a = products[0].row(y), *b = products[1].row(y), *c = products[2].row(y);
    float *tx = flow.x.row(y), *ty = flow.y.row(y);
    for (int64_t x = 0; x < flow.x.w; ++x) {
      // The gradient's angle is half the angle of (a - c, 2 b); the tangent stands across it.
      const float d = a[x] - c[x], e = 2.f * b[x], r = std::sqrt(d * d + e * e) + 1e-20f;
      const float cos2 = clamp(d / r, -1.f, 1.f);
      const float cos1 = std::sqrt(0.5f * (1.f + cos2)), sin1 = std::sqrt(0.5f * (1.f - cos2));
      tx[x] = e < 0.f ? sin1 : -sin1;
      ty[x] = cos1;
    }
  });
}

namespace {

struct Steps {
  int count;
  float weight[kMaxSteps + 1], total;
  explicit Steps(float sigma) : count(sigma < 0.5f * kMaxSteps ? static_cast<int>(2.f * sigma + 0.5f) : kMaxSteps) {
    total = 1.f;
    for (int i = 1; i <= count; ++i) {
      weight[i] = std::exp(-0.5f * static_cast<float>(i * i) / (sigma * sigma));
      total += 2.f * weight[i];
    }
  }
};

void smooth_row(const Plane& in, const Plane& out, const Steps& steps, const uint8_t* within, int64_t y, Walk& walk) {
  const float* from = in.row(y);
  float* to = out.row(y);
  for (int64_t x0 = 0; x0 < in.w; x0 += kLanes) {
    const int64_t count = in.w - x0 < kLanes ? in.w - x0 : kLanes;
    int any = within == nullptr;
    for (int64_t i = 0; within && i < count; ++i) any |= within[x0 + i];
    if (!any) {
      std::memcpy(to + x0, from + x0, sizeof(float) * static_cast<size_t>(count));
      continue;
    }
    float sum[kLanes] = {};
    for (int side = -1; side <= 1; side += 2) {
      walk.start(x0, y, static_cast<float>(side));
      for (int i = 1; i <= steps.count; ++i) walk.advance(steps.weight[i], sum);
    }
    for (int64_t i = 0; i < count; ++i) to[x0 + i] = (from[x0 + i] + kUnit * sum[i]) / steps.total;
  }
}

}  // namespace

void smooth_along(const Plane& in, const Plane& out, const Flow& flow, const Smoothing& how, const Context& ctx) {
  if (how.sigma < 0.3f) {
    std::memcpy(out.data, in.data, sizeof(float) * static_cast<size_t>(in.count()));
    return;
  }
  const Steps steps(how.sigma);
  const int64_t n = in.w, low = flow.x.w;
  each_row(in.h, ctx, [&](int64_t y) {
    const float* p = in.row(y);
    uint32_t* q = how.packed + y * n;
    for (int64_t x = 0; x + 1 < n; ++x) q[x] = pack(p[x], p[x + 1], kUnit);
    q[n - 1] = pack(p[n - 1], p[n - 1], kUnit);
  });
  each_row(flow.x.h, ctx, [&](int64_t y) {
    const float *tx = flow.x.row(y), *ty = flow.y.row(y);
    for (int64_t x = 0; x < low; ++x) how.packed_flow[y * low + x] = pack(tx[x], ty[x], kTangentUnit);
  });
  each_row(in.h, ctx, [&](int64_t y) {
    Walk walk;
    walk.image = how.packed;
    walk.tangent = how.packed_flow;
    walk.width = static_cast<int32_t>(n);
    walk.height = static_cast<int32_t>(in.h);
    walk.low = static_cast<int32_t>(low);
    walk.inverse_factor = 1.f / static_cast<float>(flow.factor);
    walk.step = how.step;
    smooth_row(in, out, steps, how.within ? how.within + y * n : nullptr, y, walk);
  });
}

}  // namespace inking

namespace {

using inking::Plane;

void flow_dog_plane(const float* image, const int64_t* strides, const Plane* full, const Plane* low,
                    const FlowDog& options, const Context& ctx) {
  const Plane &smooth = full[0], &work = full[1], &along = full[2];
  inking::each_row(smooth.h, ctx, [&](int64_t y) {
    float* to = smooth.row(y);
    for (int64_t x = 0; x < smooth.w; ++x) to[x] = image[y * strides[0] + x * strides[1]];
  });
  inking::blur(smooth, smooth, work, options.fine, ctx);
  const inking::Flow flow{options.reduce, low[4], low[5]};
  inking::find_tangents(smooth, options.tensor / static_cast<float>(options.reduce), low, low[3], flow, ctx);
  const inking::Smoothing how{options.flow, 1.f, nullptr, reinterpret_cast<uint32_t*>(work.data),
                              reinterpret_cast<uint32_t*>(low[3].data)};
  inking::smooth_along(smooth, along, flow, how, ctx);
  inking::blur(along, smooth, work, options.line, ctx);
}

}  // namespace

void flow_dog(const Tensor& image, const Tensor& out, const FlowDog& options, const Context& ctx) {
  const int64_t h = image.shape[image.ndim - 2], w = image.shape[image.ndim - 1];
  const int64_t low_w = inking::reduced(w, options.reduce), low_h = inking::reduced(h, options.reduce);
  Workspace memory(sizeof(float) * static_cast<size_t>(3 * w * h + 6 * low_w * low_h));
  float* at = static_cast<float*>(memory.get());
  Plane full[3], low[6];
  for (Plane& p : full) p = {at, w, h}, at += w * h;
  for (Plane& p : low) p = {at, low_w, low_h}, at += low_w * low_h;
  int64_t count = 1;
  for (int i = 0; i + 2 < image.ndim; ++i) count *= image.shape[i];
  for (int64_t n = 0; n < count; ++n) {
    int64_t from = 0, to = 0, rest = n;
    for (int i = image.ndim - 3; i >= 0; --i) {
      from += rest % image.shape[i] * image.stride[i];
      to += rest % image.shape[i] * out.stride[i];
      rest /= image.shape[i];
    }
    flow_dog_plane(image.as<float>() + from, image.stride + image.ndim - 2, full, low, options, ctx);
    float* result = out.as<float>() + to;
    const int64_t row = out.stride[out.ndim - 2], step = out.stride[out.ndim - 1];
    inking::each_row(h, ctx, [&](int64_t y) {
      const float *wide = full[0].row(y), *along = full[2].row(y);
      for (int64_t x = 0; x < w; ++x) result[y * row + x * step] = wide[x] - along[x];
    });
  }
}

}  // namespace PA_ISA
}  // namespace pyapdraw
