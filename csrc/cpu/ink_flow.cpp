// ink: the flow of edges and strands, and the tone smoothed along it.
//   Structure tensor (smoothed outer products of the gradient) -> tangent = its minor eigenvector, as in
//   [KLC07] Kang, Lee & Chui, Coherent line drawing, NPAR 2007, in the eigenvector form of
//   [WKO12] Winnemoeller, Kyprianidis & Olsen, XDoG, Computers & Graphics 36(6), 2012, section 2.6.
//   The smoothing is a line integral of Gaussian weight along the tangent, up to seven Euler steps to either side.
#include "cpu/ink.h"

#if defined(__AVX512F__)
#include <immintrin.h>
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
  int32_t size, low;
  float inverse_factor, step;
  float x[kLanes], y[kLanes], dx[kLanes], dy[kLanes];

  void start(int64_t x0, int64_t y0, float sign) {
    const float limit = static_cast<float>(size) - 1.001f;
    for (int i = 0; i < kLanes; ++i) {
      const float px = static_cast<float>(x0 + i);
      x[i] = px < limit ? px : limit;
      y[i] = static_cast<float>(y0) < limit ? static_cast<float>(y0) : limit;
      const int32_t at = static_cast<int32_t>((y[i] + 0.5f) * inverse_factor) * low +
                         static_cast<int32_t>((x[i] + 0.5f) * inverse_factor);
      dx[i] = sign * low_half(tangent[at]) * kTangentUnit;
      dy[i] = sign * high_half(tangent[at]) * kTangentUnit;
    }
  }
  // One step, then sum += weight * image there.
  void advance(float weight, float* __restrict sum) {
    const float limit = static_cast<float>(size) - 1.001f;
#if defined(__AVX512F__)
    // The loop below with gathers, which the compiler does not use by itself.
    const __m512 top_limit = _mm512_set1_ps(limit), zero = _mm512_setzero_ps(), half = _mm512_set1_ps(0.5f);
    const __m512 stride = _mm512_set1_ps(step), share = _mm512_set1_ps(inverse_factor),
                 unit = _mm512_set1_ps(kTangentUnit);
    const __m512i width = _mm512_set1_epi32(size), cells = _mm512_set1_epi32(low);
    auto low_part = [](__m512i v) { return _mm512_cvtepi32_ps(_mm512_srai_epi32(_mm512_slli_epi32(v, 16), 16)); };
    auto high_part = [](__m512i v) { return _mm512_cvtepi32_ps(_mm512_srai_epi32(v, 16)); };
    for (int i = 0; i < kLanes; i += 16) {
      const __m512 gx = _mm512_loadu_ps(dx + i), gy = _mm512_loadu_ps(dy + i);
      __m512 px = _mm512_fmadd_ps(stride, gx, _mm512_loadu_ps(x + i)),
             py = _mm512_fmadd_ps(stride, gy, _mm512_loadu_ps(y + i));
      px = _mm512_min_ps(_mm512_max_ps(px, zero), top_limit);
      py = _mm512_min_ps(_mm512_max_ps(py, zero), top_limit);
      const __m512i ix = _mm512_cvttps_epi32(px), iy = _mm512_cvttps_epi32(py);
      const __m512 fx = _mm512_sub_ps(px, _mm512_cvtepi32_ps(ix)), fy = _mm512_sub_ps(py, _mm512_cvtepi32_ps(iy));
      const __m512i at = _mm512_add_epi32(_mm512_mullo_epi32(iy, width), ix);
      const __m512i above = _mm512_i32gather_epi32(at, image, 4);
      const __m512i below = _mm512_i32gather_epi32(_mm512_add_epi32(at, width), image, 4);
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
      px = px > limit ? limit : px;
      py = py > limit ? limit : py;
      const int32_t ix = static_cast<int32_t>(px), iy = static_cast<int32_t>(py);
      const float fx = px - static_cast<float>(ix), fy = py - static_cast<float>(iy);
      const int32_t at = iy * size + ix;
      const uint32_t above = image[at], below = image[at + size];
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

void find_flow(Sheet& s) {
  blur(s.tone, s.score, s.work, s.style.fine * s.scale, s.ctx);
  const Plane products[3] = {s.l[0], s.l[1], s.l[2]};
  reduce_rows<3>(s.size, s.factor, products, s.ctx, [&](int64_t y, float** rows) {
    float *gx = rows[0], *gy = rows[2], *xy = rows[1];
    gradient_row(s.score, y, gx, gy);
    for (int64_t x = 0; x < s.size; ++x) {
      const float u = gx[x], v = gy[x];
      gx[x] = u * u;
      xy[x] = u * v;
      gy[x] = v * v;
    }
  });
  const float sigma = s.style.tensor * s.scale / static_cast<float>(s.factor);
  for (int k = 0; k < 3; ++k) blur(products[k], products[k], s.l[3], sigma, s.ctx);
  each_row(s.low, s.ctx, [&](int64_t y) {
    const float *a = s.l[0].row(y), *b = s.l[1].row(y), *c = s.l[2].row(y);
    float *tx = s.tangent_x.row(y), *ty = s.tangent_y.row(y);
    for (int64_t x = 0; x < s.low; ++x) {
      // The gradient's angle is half the angle of (a - c, 2 b); the tangent stands across it.
      const float d = a[x] - c[x], e = 2.f * b[x], r = std::sqrt(d * d + e * e) + 1e-20f;
      const float cos2 = clamp(d / r, -1.f, 1.f);
      const float cos1 = std::sqrt(0.5f * (1.f + cos2)), sin1 = std::sqrt(0.5f * (1.f - cos2));
      tx[x] = e < 0.f ? sin1 : -sin1;
      ty[x] = cos1;
    }
  });
}

// Uses s.work and s.spare. in and out differ.
void smooth_along_flow(Sheet& s, const Plane& in, const Plane& out, float sigma) {
  if (sigma < 0.3f) {
    std::memcpy(out.data, in.data, sizeof(float) * static_cast<size_t>(in.count()));
    return;
  }
  const int steps = sigma < 0.5f * kMaxSteps ? static_cast<int>(2.f * sigma + 0.5f) : kMaxSteps;
  float weight[kMaxSteps + 1], total = 1.f;
  for (int i = 1; i <= steps; ++i) {
    weight[i] = std::exp(-0.5f * static_cast<float>(i * i) / (sigma * sigma));
    total += 2.f * weight[i];
  }
  const int64_t n = s.size;
  uint32_t *image = reinterpret_cast<uint32_t*>(s.work.data), *tangent = reinterpret_cast<uint32_t*>(s.spare.data);
  each_row(n, s.ctx, [&](int64_t y) {
    const float* p = in.row(y);
    uint32_t* q = image + y * n;
    for (int64_t x = 0; x + 1 < n; ++x) q[x] = pack(p[x], p[x + 1], kUnit);
    q[n - 1] = pack(p[n - 1], p[n - 1], kUnit);
  });
  each_row(s.low, s.ctx, [&](int64_t y) {
    const float *tx = s.tangent_x.row(y), *ty = s.tangent_y.row(y);
    for (int64_t x = 0; x < s.low; ++x) tangent[y * s.low + x] = pack(tx[x], ty[x], kTangentUnit);
  });
  each_row(n, s.ctx, [&](int64_t y) {
    Walk walk;
    walk.image = image;
    walk.tangent = tangent;
    walk.size = static_cast<int32_t>(n);
    walk.low = static_cast<int32_t>(s.low);
    walk.inverse_factor = 1.f / static_cast<float>(s.factor);
    walk.step = s.scale;
    const uint8_t* person = s.person + y * n;
    const float* from = in.row(y);
    float* to = out.row(y);
    for (int64_t x0 = 0; x0 < n; x0 += kLanes) {
      const int64_t count = n - x0 < kLanes ? n - x0 : kLanes;
      int any = 0;
      for (int64_t i = 0; i < count; ++i) any |= person[x0 + i];
      if (!any) {
        std::memcpy(to + x0, from + x0, sizeof(float) * static_cast<size_t>(count));
        continue;
      }
      float sum[kLanes] = {};
      for (int side = -1; side <= 1; side += 2) {
        walk.start(x0, y, static_cast<float>(side));
        for (int i = 1; i <= steps; ++i) walk.advance(weight[i], sum);
      }
      for (int64_t i = 0; i < count; ++i) to[x0 + i] = (from[x0 + i] + kUnit * sum[i]) / total;
    }
  });
}

}  // namespace inking
}  // namespace PA_ISA
}  // namespace pyapdraw
