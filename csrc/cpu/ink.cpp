// Style `ink`: a portrait photo as a brush-and-pen drawing, without weights, at any size.
//
//   two-tone regions plus lines: [RL10] Rosin & Lai, Towards artistic minimal rendering, NPAR 2010
//   lines along a flow:          [KLC07] Kang, Lee & Chui, Coherent line drawing, NPAR 2007
//                                [WKO12] Winnemoeller, Kyprianidis & Olsen, XDoG, Computers & Graphics 36(6), 2012
//   jaw lines added to such drawings: [APD19] Yi et al., APDrawingGAN, CVPR 2019, section 6 (there from landmarks)
//
// Stages (one file each): prepare (luma, frame of the photo, person) -> skin (soft label on the working grid) ->
// flow (structure tensor, smoothing along it) -> tone (contrast of strands, locks and masses; difference of Gaussians)
// -> compose (score per pixel, anti-aliased zero contour; of a whole figure the silhouette) -> jaw (path by dynamic
// programming) -> specks.
//
// Method: what must be sharp is computed at full size with separable filters; what is smooth by nature (labels,
// tensors, local statistics) on a grid of about 256 x 256, whatever the size of the crop.
// Numerics: float32; no sum depends on the number of threads, so results are bit-identical for any of them.
// Limits: pictures of 16 to 8192 px a side. An aligned crop (eyes level, about 0.215 S apart) gives its own scale; of a
// whole figure the caller says it.
#include "cpu/ink.h"

#include "cpu/kernels.h"
#include "cpu/scratch.h"

namespace pyapdraw {
namespace PA_ISA {
namespace inking {

namespace {

Frame fit(const Tensor& landmarks) {
  float points[5][2];
  for (int i = 0; i < 5; ++i)
    for (int k = 0; k < 2; ++k) {
      const int64_t at = i * landmarks.stride[0] + k * landmarks.stride[1];
      points[i][k] =
          landmarks.dtype == DType::f64 ? static_cast<float>(landmarks.as<double>()[at]) : landmarks.as<float>()[at];
    }
  return fit_frame(points);
}

// All memory of one drawing, cut from one block.
struct Memory {
  Scratch<char, Origin::kept> block;
  explicit Memory(const Sizes& s)
      : block(int64_t{sizeof(float)} * (6 * cells_of(s.full) + 14 * cells_of(s.low) + 5 * cells_of(s.coarse)) +
              3 * cells_of(s.full)) {}
  void hand_out(Sheet& s) {
    float* at = reinterpret_cast<float*>(block.get());
    auto take = [&](const Grid& g) {
      const Plane p{at, g.width, g.height};
      at += cells_of(g);
      return p;
    };
    Plane* full[] = {&s.tone, &s.flow_tone, &s.work, &s.a, &s.b, &s.score};
    Plane* low[] = {&s.spare, &s.mass, &s.skin, &s.fold, &s.tangent_x, &s.tangent_y};
    for (Plane* p : full) *p = take(s.full);
    for (Plane* p : low) *p = take(s.low);
    for (Plane& p : s.l) p = take(s.low);
    for (Plane& p : s.c) p = take(s.coarse);
    s.person = reinterpret_cast<uint8_t*>(at);
    s.out = s.person + cells_of(s.full);
  }
};

// The measurements at full size: tone, tone along the flow, mean log tone of the strands, line, skin, tangent x and y.
void hand_over(const Sheet& s, const Tensor& planes) {
  const int64_t width = s.full.width;
  const Enlarge up(s.full, s.factor);
  each_row(s.full.height, s.ctx, [&](int64_t y) {
    Scratch<float> mix(s.low.width + 1), skin(width);
    up.row(s.skin, y, mix.get(), skin.get());
    float* to = planes.as<float>() + y * planes.stride[1];
    const float *tx = s.tangent_x.row(y / s.factor), *ty = s.tangent_y.row(y / s.factor);
    for (int64_t x = 0; x < width; ++x) {
      const float values[7] = {s.tone.row(y)[x], s.flow_tone.row(y)[x], s.a.row(y)[x],   s.b.row(y)[x],
                               skin[x],          tx[x / s.factor],      ty[x / s.factor]};
      for (int k = 0; k < 7; ++k) to[k * planes.stride[0] + x * planes.stride[2]] = values[k];
    }
  });
}

}  // namespace

void draw(const Tensor& pixels, const Tensor& mask, const Tensor& landmarks, const Tensor& out,
          const InkOptions& options, const Context& ctx, const Tensor* planes) {
  Sheet s{};
  const Sizes sizes = sizes_of(pixels.shape[1], pixels.shape[0], options.scale, options.figure);
  s.full = sizes.full;
  s.scale = sizes.scale;
  s.pen = sizes.pen;
  s.factor = sizes.factor;
  s.low = sizes.low;
  s.coarse = sizes.coarse;
  s.frame = fit(landmarks);
  s.style = style_of(options);
  s.ctx = ctx;
  Memory memory(sizes);
  memory.hand_out(s);
  prepare(s, pixels, mask);
  find_skin(s, pixels);
  find_flow(s);
  smooth_along_flow(s, s.score, s.flow_tone, s.style.flow);
  two_tone(s);
  lines(s);
  if (planes) hand_over(s, *planes);
  compose(s);
  if (s.style.figure) silhouette(s);
  jaw_line(s);
  const int64_t width = s.full.width;
  uint8_t* drawn = s.out + cells_of(s.full);
  each_row(s.full.height, ctx, [&](int64_t y) {
    const float* paper = s.work.row(y);
    const uint8_t* beyond = s.out + y * width;
    for (int64_t x = 0; x < width; ++x)
      drawn[y * width + x] = beyond[x] == 1 ? 255 : static_cast<uint8_t>(255.f * paper[x] + 0.5f);
  });
  remove_specks(s, drawn);
  each_row(s.full.height, ctx, [&](int64_t y) {
    uint8_t* o = out.as<uint8_t>() + y * out.stride[0];
    for (int64_t x = 0; x < width; ++x) o[x * out.stride[1]] = drawn[y * width + x];
  });
}

}  // namespace inking

void ink(const Tensor& pixels, const Tensor& mask, const Tensor& landmarks, const Tensor& out,
         const InkOptions& options, const Context& ctx) {
  inking::draw(pixels, mask, landmarks, out, options, ctx, nullptr);
}

void ink_planes(const Tensor& pixels, const Tensor& mask, const Tensor& landmarks, const Tensor& out,
                const Tensor& planes, const InkOptions& options, const Context& ctx) {
  inking::draw(pixels, mask, landmarks, out, options, ctx, &planes);
}

}  // namespace PA_ISA
}  // namespace pyapdraw
