// Style `ink`: a portrait photo as a brush-and-pen drawing: the method and the stages of csrc/cpu/ink.cpp, a file each.
// About forty kernels, none of which waits for the host: what the CPU decides from sums, medians, histograms, connected
// areas and the jaw's path is decided on the device (State in ink.cuh), so that a drawing can be captured in a graph.
// What is smooth by nature lives on the working grid; neighbouring steps share a kernel wherever one needs of the other
// no more than its own pixel: a blur computes its input where it reads it and uses its result where it has it.
// Numerics: core/ink*_math.h, shared with the CPU; sums of blocks are whole numbers, so that drawings are the same in
// every run. Beside the CPU: multiply-adds are fused otherwise, and the four class sums round otherwise (2^-32).
// Landmarks may lie on either device. On the device they are not checked before: if they are no face, the drawing is
// plain paper.
// Workspace: about 33 bytes a pixel, 41 with windows beyond 28 px (crops beyond 2800 px), and 28 planes of the grid.
#include "cuda/blur.cuh"
#include "cuda/ink.cuh"
#include "cuda/ink_areas.cuh"
#include "cuda/kernels.h"
#include "cuda/workspace.cuh"

namespace pyapdraw {
namespace cuda {
namespace inking {

namespace {

constexpr int kBeginThreads = 256, kPlanes = 7;

struct Points {  // by value, or on the device
  float at[5][2];
  const void* data;
  DType dtype;
  int64_t stride[2];
};

__host__ __device__ inline float point_at(const void* data, DType dtype, int64_t i) {
  return dtype == DType::f64 ? static_cast<float>(static_cast<const double*>(data)[i])
                             : static_cast<const float*>(data)[i];
}

Points points_of(const Tensor& landmarks) {
  Points p{};
  if (landmarks.device.type != DeviceType::cpu) {
    p.data = landmarks.data;
    p.dtype = landmarks.dtype;
    p.stride[0] = landmarks.stride[0], p.stride[1] = landmarks.stride[1];
    return p;
  }
  for (int i = 0; i < 5; ++i)
    for (int k = 0; k < 2; ++k)
      p.at[i][k] = point_at(landmarks.data, landmarks.dtype, i * landmarks.stride[0] + k * landmarks.stride[1]);
  return p;
}

// Zeroes what is summed, and fits the frame of the face; points that are none become the template's.
// side: of the crop that the drawing's lengths belong to; least: between the eyes, px; longest: of the picture's sides.
PA_KERNEL void ink_begin_kernel(State* state, Points points, float side, float least, float longest) {
  unsigned* words = reinterpret_cast<unsigned*>(state);
  for (size_t i = threadIdx.x; i < offsetof(State, valid) / sizeof(unsigned); i += kBeginThreads) words[i] = 0;
  if (threadIdx.x != 0) return;
  if (points.data)
#pragma unroll
    for (int i = 0; i < 10; ++i)
      points.at[i / 2][i % 2] =
          point_at(points.data, points.dtype, i / 2 * points.stride[0] + i % 2 * points.stride[1]);
  bool valid = true;
#pragma unroll
  for (int i = 0; i < 10; ++i) valid = valid && std::fabs(points.at[i / 2][i % 2]) <= 4.f * longest;  // false for NaN
  const float dx = points.at[1][0] - points.at[0][0], dy = points.at[1][1] - points.at[0][1];
  valid = valid && std::sqrt(dx * dx + dy * dy) >= 0.995f * least;
#pragma unroll
  for (int i = 0; i < 10; ++i)
    if (!valid) points.at[i / 2][i % 2] = sketch::template_point(i / 2, i % 2) * side / 512.f;
  state->valid = valid;
  state->frame = sketch::fit_frame(points.at);
}

// The measurements at full size: see ink_planes.
PA_KERNEL void ink_planes_kernel(Sheet s, Tensor planes) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kBeginThreads + threadIdx.x;
  if (i >= s.full_count()) return;
  const int x = static_cast<int>(i % s.width), y = static_cast<int>(i / s.width);
  const int64_t cell = int64_t{y / s.factor} * s.low_width + x / s.factor;
  const float values[kPlanes] = {tone_at(s, i),
                                 s.flow_tone[i],
                                 s.strand[i],
                                 s.line[i],
                                 enlarged(s.plane(kSkin), low_between(s, x, y)),
                                 s.plane(kTangentX)[cell],
                                 s.plane(kTangentY)[cell]};
  float* to = planes.as<float>() + y * planes.stride[1] + x * planes.stride[2];
#pragma unroll
  for (int k = 0; k < kPlanes; ++k) to[k * planes.stride[0]] = values[k];
}

Sheet take_sheet(Workspace& scratch, int64_t width, int64_t height, const InkOptions& options) {
  const sketch::Sizes sizes = sketch::sizes_of(width, height, options.scale, options.figure);
  Sheet s{};
  s.style = sketch::style_of(options);
  s.width = static_cast<int>(width), s.height = static_cast<int>(height);
  s.low_width = static_cast<int>(sizes.low.width), s.low_height = static_cast<int>(sizes.low.height);
  s.coarse_width = static_cast<int>(sizes.coarse.width), s.coarse_height = static_cast<int>(sizes.coarse.height);
  s.factor = sizes.factor;
  s.scale = sizes.scale;
  s.pen = sizes.pen;
  const int64_t n = s.full_count(), areas = n + 1;  // tone and line later hold a number for each area
  s.state = scratch.take<State>(1);
  s.tone = scratch.take<float>(areas);
  s.score = scratch.take<float>(n);
  s.flow_tone = scratch.take<float>(n);
  s.strand = scratch.take<float>(n);
  s.line = scratch.take<float>(areas);
  s.copy = scratch.take<int16_t>(n);
  s.labels = scratch.take<int>(areas);
  s.person = scratch.take<uint8_t>(n);
  s.out = scratch.take<uint8_t>(n);
  s.drawn = scratch.take<uint8_t>(n);
  s.extent = scratch.take<float>(6 * height);
  s.lows = scratch.take<float>(kLowPlanes * s.low_count());
  s.coarses = scratch.take<float>(kCoarsePlanes * s.coarse_count());
  s.tangent = scratch.take<uint32_t>(s.low_count());
  s.evidence = scratch.take<float>(2 * sketch::kAngles * sketch::kRadii);
  const bool two_planes = wide(sketch::gaussian(s.style.strand * s.scale));
  const bool one_plane = two_planes || wide(sketch::gaussian(s.style.line * s.pen));  // the widest of the others
  if (one_plane) s.rows = scratch.take<float>((two_planes ? 2 : 1) * n);
  return s;
}

void draw(const Tensor& pixels, const Tensor& mask, const Tensor& landmarks, const Tensor& drawing,
          const InkOptions& options, const Tensor* planes, const Context& ctx) {
  Workspace scratch(ctx);
  const Sheet s = take_sheet(scratch, pixels.shape[1], pixels.shape[0], options);
  if (scratch.measured("ink")) return;
  const float side = 512.f * s.scale;
  launch(ink_begin_kernel, dim3(1), dim3(kBeginThreads), 0, ctx, s.state, points_of(landmarks), side,
         sketch::least_eyes(options.figure) * side, static_cast<float>(s.width > s.height ? s.width : s.height));
  prepare(s, pixels, mask, ctx);
  find_skin(s, pixels, ctx);
  find_flow(s, ctx);
  find_tones(s, ctx);
  if (planes)
    launch(ink_planes_kernel, dim3(blocks(s.full_count(), kBeginThreads)), dim3(kBeginThreads), 0, ctx, s, *planes);
  compose(s, ctx);
  if (s.style.figure) silhouette(s, ctx);
  jaw_line(s, ctx);
  remove_specks(s, drawing, ctx);
}

}  // namespace
}  // namespace inking

void ink(const Tensor& pixels, const Tensor& mask, const Tensor& landmarks, const Tensor& drawing,
         const InkOptions& options, const Context& ctx) {
  inking::draw(pixels, mask, landmarks, drawing, options, nullptr, ctx);
}

void ink_planes(const Tensor& pixels, const Tensor& mask, const Tensor& landmarks, const Tensor& drawing,
                const Tensor& planes, const InkOptions& options, const Context& ctx) {
  inking::draw(pixels, mask, landmarks, drawing, options, &planes, ctx);
}

}  // namespace cuda
}  // namespace pyapdraw
