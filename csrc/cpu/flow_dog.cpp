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

#include "cpu/intrinsics.h"
#include "cpu/kernels.h"
#include "cpu/scratch.h"

namespace pyapdraw {
namespace PA_ISA {
namespace inking {

namespace {

constexpr int kLanes = 64;  // pixels that walk together

// One walk of kLanes neighbouring pixels; sign +1 or -1 gives the side.
struct Walk {
  const uint32_t* image;  // packed pairs of neighbours. A gather of a word costs the same as of one float.
  int32_t width;
  FlowGrid grid;
  float x[kLanes], y[kLanes], dx[kLanes], dy[kLanes];

  void start(int64_t x0, int64_t y0, float sign) {
    for (int i = 0; i < kLanes; ++i) {
      const Walker w = start_walk(grid, static_cast<float>(x0 + i), static_cast<float>(y0), sign);
      x[i] = w.x, y[i] = w.y, dx[i] = w.dx, dy[i] = w.dy;
    }
  }
  // One step, then sum += weight * image there.
  void advance(float weight, float* __restrict sum) {
#if defined(__AVX512F__)
    // The loop below with gathers, which the compiler does not use by itself.
    const __m512 most_x = _mm512_set1_ps(grid.right), most_y = _mm512_set1_ps(grid.bottom);
    const __m512 zero = _mm512_setzero_ps(), half = _mm512_set1_ps(0.5f);
    const __m512 stride = _mm512_set1_ps(grid.step), share = _mm512_set1_ps(grid.inverse_factor),
                 unit = _mm512_set1_ps(kTangentUnit);
    const __m512i pitch = _mm512_set1_epi32(width), cells = _mm512_set1_epi32(grid.low);
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
      const __m512i pair = _mm512_i32gather_epi32(_mm512_add_epi32(_mm512_mullo_epi32(cy, cells), cx), grid.tangent, 4);
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
      Walker w{x[i], y[i], dx[i], dy[i]};
      move(grid, w);
      const int32_t ix = static_cast<int32_t>(w.x), iy = static_cast<int32_t>(w.y), at = iy * width + ix;
      const uint32_t above = image[at], below = image[at + width];
      sum[i] += weight * bilinear(low_half(above), high_half(above), low_half(below), high_half(below),
                                  w.x - static_cast<float>(ix), w.y - static_cast<float>(iy));
      turn(grid, w);
      x[i] = w.x, y[i] = w.y, dx[i] = w.dx, dy[i] = w.dy;
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
    for (int64_t x = 0; x < flow.x.w; ++x) tangent_of(a[x], b[x], c[x], &tx[x], &ty[x]);
  });
}

namespace {

void smooth_row(const Plane& in, const Plane& out, const FlowSteps& steps, const uint8_t* within, int64_t y,
                Walk& walk) {
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
  const FlowSteps steps = flow_steps(how.sigma);
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
    walk.width = static_cast<int32_t>(n);
    walk.grid = flow_grid(how.packed_flow, static_cast<int32_t>(low), flow.factor, how.step, n, in.h);
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
  const int64_t low_w = sketch::reduced(w, options.reduce), low_h = sketch::reduced(h, options.reduce);
  const Scratch<float, Origin::kept> memory(3 * w * h + 6 * low_w * low_h);
  float* at = memory.get();
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
