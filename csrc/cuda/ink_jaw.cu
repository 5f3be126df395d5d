// ink: the jaw line, csrc/cpu/ink_jaw.cpp. Three kernels: the evidence (a block an angle, a thread a radius), the path
// and the stroke (one block: the first warp goes from angle to angle with two radii a lane, all threads do the rest, an
// angle each), the drawing (a block a segment; the smallest coverage of paper stays, by atomic minimum).
// Shared memory: 36 KB in the second.
#include "core/ink_jaw_math.h"
#include "cuda/ink.cuh"

namespace pyapdraw {
namespace cuda {
namespace inking {

namespace {

using sketch::kAngles;
using sketch::kRadii;
using sketch::StrokePoint;

constexpr int kPathThreads = 128, kDrawThreads = 64;
static_assert(kAngles <= kPathThreads && kRadii == 64, "a thread an angle, two radii a lane");

struct Angles {  // worked out on the host: the device's sine needs local memory
  float sine[kAngles], cosine[kAngles];
};

// total, edge: [angle][radius]. total is smoothed along the radius.
PA_KERNEL void ink_evidence_kernel(Sheet s, Angles angles, float* total, float* edge) {
  __shared__ float tone[kRadii], skin[kRadii], both[kRadii];
  const int i = static_cast<int>(blockIdx.x), j = static_cast<int>(threadIdx.x);
  const float f = static_cast<float>(s.factor);
  float x, y;
  sketch::jaw_point(s.state->frame, sketch::jaw_ray(s.state->frame, angles.sine[i], angles.cosine[i]), j, &x, &y);
  x = (x + 0.5f) / f - 0.5f, y = (y + 0.5f) / f - 0.5f;
  tone[j] = sketch::sample(s.plane(kJawTone), s.low_width, s.low_height, x, y);
  skin[j] = sketch::sample(s.plane(kJawSkin), s.low_width, s.low_height, x, y);
  __syncthreads();
  sketch::jaw_evidence(tone, skin, j, &edge[i * kRadii + j], &both[j]);
  __syncthreads();
  total[i * kRadii + j] = sketch::soft_radius(both, j);
}

PA_KERNEL void ink_path_kernel(Sheet s, Angles angles, const float* total, const float* edge) {
  __shared__ float e[kAngles][kRadii], cost[2][kRadii], place[kAngles], strength[kAngles], found[kAngles];
  __shared__ int8_t step[kAngles][kRadii];
  __shared__ int path[kAngles];
  __shared__ StrokePoint stroke[kAngles];
  const int t = static_cast<int>(threadIdx.x);
  for (int k = t; k < kAngles * kRadii; k += kPathThreads) {
    const int i = k / kRadii, j = k % kRadii;
    const float before = total[max(i - 1, 0) * kRadii + j], after = total[min(i + 1, kAngles - 1) * kRadii + j];
    e[i][j] = sketch::soft_angle(before, total[k], after);
  }
  __syncthreads();
  if (t < 32) {
    for (int j = t; j < kRadii; j += 32) cost[0][j] = e[0][j];
    for (int i = 1; i < kAngles; ++i) {
      __syncwarp();
      for (int j = t; j < kRadii; j += 32)
        cost[i & 1][j] = sketch::best_before(cost[(i - 1) & 1], j, &step[i][j]) + e[i][j];
    }
    __syncwarp();
    if (t == 0) {
      const float* last = cost[(kAngles - 1) & 1];
      int j = 0;
      for (int k = 1; k < kRadii; ++k)
        if (last[k] > last[j]) j = k;
      for (int i = kAngles - 1; i >= 0; --i) {
        path[i] = j;
        if (i) j += step[i][j];
      }
    }
  }
  __syncthreads();
  if (t < kAngles) {
    place[t] = sketch::jaw_place(e[t], path[t]);
    strength[t] = edge[t * kRadii + path[t]];
  }
  __syncthreads();
  if (t < kAngles) {
    const sketch::Ray ray = sketch::jaw_ray(s.state->frame, angles.sine[t], angles.cosine[t]);
    stroke[t] = sketch::jaw_stroke(s.style, s.state->frame, ray, t, place, strength);
  }
  __syncthreads();
  if (t < kAngles) found[t] = sketch::ink_nearby(stroke, t, s.strand, {s.width, s.height}, s.pen);
  __syncthreads();
  if (t >= kAngles) return;
  StrokePoint point = stroke[t];
  point.width *= sketch::jaw_share(found, t);
  s.state->stroke[t] = point;
}

PA_KERNEL void ink_stroke_kernel(Sheet s) {
  const StrokePoint a = s.state->stroke[blockIdx.x], b = s.state->stroke[blockIdx.x + 1];
  if (!sketch::segment_shows(a, b)) return;
  const float half = s.style.jaw_width * s.pen;
  const sketch::Span span = sketch::segment_span(a, b, half, {s.width, s.height});
  const int64_t wide = span.x1 - span.x0 + 1, count = wide * (span.y1 - span.y0 + 1);
  for (int64_t k = threadIdx.x; k < count; k += kDrawThreads) {
    const int64_t x = span.x0 + k % wide, y = span.y0 + k / wide, i = y * s.width + x;
    if (s.person[i] < sketch::kJawPerson) continue;
    const float paper = 1.f - sketch::segment_cover(a, b, half, x, y);
    atomicMin(reinterpret_cast<int*>(s.strand + i),
              __float_as_int(paper));  // none negative: in the order of their bits
  }
}

}  // namespace

void jaw_line(const Sheet& s, const Context& ctx) {
  Angles angles;
  for (int i = 0; i < kAngles; ++i) {
    angles.sine[i] = std::sin(sketch::jaw_angle(i));
    angles.cosine[i] = std::cos(sketch::jaw_angle(i));
  }
  float *total = s.evidence, *edge = s.evidence + kAngles * kRadii;
  launch(ink_evidence_kernel, dim3(kAngles), dim3(kRadii), 0, ctx, s, angles, total, edge);
  launch(ink_path_kernel, dim3(1), dim3(kPathThreads), 0, ctx, s, angles, total, edge);
  launch(ink_stroke_kernel, dim3(kAngles - 1), dim3(kDrawThreads), 0, ctx, s);
}

}  // namespace inking
}  // namespace cuda
}  // namespace pyapdraw
