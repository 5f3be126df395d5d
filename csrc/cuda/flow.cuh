#pragma once
// The flow of a picture and smoothing along it, for flow_dog and the style ink: the steps of csrc/cpu/flow_dog.cpp.
//   products   a thread a cell of the flow's grid: mean products of the gradient over the cell's pixels.
//   tangents   the sink of the products' blur: packed for the walk.
//   along      a thread a pixel; it walks to either side and reads the picture as 16-bit numbers.
// blockIdx.z is the picture of a stack.
#include "core/flow_dog_math.h"
#include "cuda/cell_means.cuh"
#include "cuda/launch.cuh"

namespace pyapdraw {
namespace cuda {
namespace {

constexpr int kFlowThreads = 256;

struct FlowSizes {
  int width, height, factor, low_width, low_height;
  __host__ __device__ int64_t full() const { return int64_t{width} * height; }
  __host__ __device__ int64_t low() const { return int64_t{low_width} * low_height; }
};

__device__ inline void gradient(const float* p, int x, int y, int width, int height, float* gx, float* gy) {
  const float* a = p + int64_t{max(y - 1, 0)} * width;
  const float* b = p + int64_t{y} * width;
  const float* c = p + int64_t{min(y + 1, height - 1)} * width;
  const int left = max(x - 1, 0), right = min(x + 1, width - 1);
  const float a0 = a[left], a2 = a[right], c0 = c[left], c2 = c[right];
  *gx = sketch::gradient_x(a0, a2, b[left], b[right], c0, c2);
  *gy = sketch::gradient_y(a0, a[x], a2, c0, c[x], c2);
}

// products: three planes a picture.
PA_KERNEL void flow_dog_products_kernel(const float* smooth, FlowSizes s, float* products) {
  const int cell = static_cast<int>(blockIdx.x * kFlowThreads + threadIdx.x);
  if (cell >= s.low()) return;
  const float* p = smooth + blockIdx.z * s.full();
  float mean[3];
  const auto fill = [&](int x, int y, float (&v)[3]) {
    float gx, gy;
    gradient(p, x, y, s.width, s.height, &gx, &gy);
    v[0] = gx * gx;
    v[1] = gx * gy;
    v[2] = gy * gy;
  };
  cell_means<3>(fill, s.factor, s.width, s.height, cell % s.low_width, cell / s.low_width, mean);
  for (int k = 0; k < 3; ++k) products[(int64_t{blockIdx.z} * 3 + k) * s.low() + cell] = mean[k];
}

struct TangentSink {
  uint32_t* packed;
  float *x_plane, *y_plane;  // the same as float32, or null
  int width;
  int64_t size;
  __device__ void put(int x, int y, const float (&v)[3]) const {
    const int64_t i = blockIdx.z * size + int64_t{y} * width + x;
    float tx, ty;
    sketch::tangent_of(v[0], v[1], v[2], &tx, &ty);
    packed[i] = sketch::pack(tx, ty, sketch::kTangentUnit);
    if (x_plane) x_plane[i] = tx, y_plane[i] = ty;
  }
};

// A picture and its 16-bit copy.
struct SmoothSink {
  float* plane;
  int16_t* copy;
  int width;
  int64_t size;
  __device__ void put(int x, int y, const float (&v)[1]) const {
    const int64_t i = blockIdx.z * size + int64_t{y} * width + x;
    plane[i] = v[0];
    copy[i] = static_cast<int16_t>(sketch::quantised(v[0], sketch::kUnit));
  }
};

__device__ inline float walk_sum(const int16_t* copy, int width, const sketch::FlowGrid& grid,
                                 const sketch::FlowSteps& steps, int x, int y) {
  float sum = 0.f;
  for (int side = -1; side <= 1; side += 2) {
    sketch::Walker w = sketch::start_walk(grid, static_cast<float>(x), static_cast<float>(y), static_cast<float>(side));
#pragma unroll
    for (int i = 1; i <= sketch::kMaxSteps; ++i) {
      if (i > steps.count) break;
      sketch::move(grid, w);
      const int ix = static_cast<int>(w.x), iy = static_cast<int>(w.y);
      const int16_t *a = copy + int64_t{iy} * width + ix, *b = a + width;
      sum += steps.weight[i] *
             sketch::bilinear(a[0], a[1], b[0], b[1], w.x - static_cast<float>(ix), w.y - static_cast<float>(iy));
      sketch::turn(grid, w);
    }
  }
  return sum;
}

// A block of 32 x 8 pixels. within: u8 of the picture's size, where nonzero in runs of 64 px it is done, else copied;
// or null.
PA_KERNEL void flow_dog_along_kernel(const float* in, const int16_t* copy, const uint32_t* tangent,
                                     const uint8_t* within, FlowSizes s, float step, sketch::FlowSteps steps,
                                     float* out) {
  const int lane = static_cast<int>(threadIdx.x % 32), x = static_cast<int>(blockIdx.x * 32) + lane;
  const int y = static_cast<int>(blockIdx.y * (kFlowThreads / 32) + threadIdx.x / 32);
  bool any = within == nullptr;
  if (within && y < s.height) {
    const uint8_t* row = within + int64_t{y} * s.width;
    const int a = x / 64 * 64 + lane, b = a + 32;
    any = (a < s.width && row[a]) || (b < s.width && row[b]);
  }
  any = __any_sync(0xffffffffu, any);
  if (x >= s.width || y >= s.height) return;
  const int64_t i = blockIdx.z * s.full() + int64_t{y} * s.width + x;
  float value = in[i];
  if (any) {
    const sketch::FlowGrid grid =
        sketch::flow_grid(tangent + blockIdx.z * s.low(), s.low_width, s.factor, step, s.width, s.height);
    value = (value + sketch::kUnit * walk_sum(copy + blockIdx.z * s.full(), s.width, grid, steps, x, y)) / steps.total;
  }
  out[i] = value;
}

inline void smooth_along(const float* in, const int16_t* copy, const uint32_t* tangent, const uint8_t* within,
                         const FlowSizes& s, int pictures, float step, const sketch::FlowSteps& steps, float* out,
                         const Context& ctx) {
  const dim3 grid(blocks(s.width, 32), blocks(s.height, kFlowThreads / 32), static_cast<unsigned>(pictures));
  launch(flow_dog_along_kernel, grid, dim3(kFlowThreads), 0, ctx, in, copy, tangent, within, s, step, steps, out);
}

}  // namespace
}  // namespace cuda
}  // namespace pyapdraw
