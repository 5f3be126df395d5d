// Crops of an image as normalised float32: the definitions of csrc/cpu/crop.cpp.
//   crop_area   Method: a block of 256 threads takes 256 outputs of one box. Where the box's windows are small a thread
//               sums the window of its output; where they are large the eight warps take output after output, their
//               lanes the pixels of its window.
//   crop_warp   Method: a block takes 128 outputs of one map, a thread each; the places of the taps within a pixel's
//               footprint are worked out once a block.
// Shared memory: crop_warp 132 bytes. Numerics: core/crop_math.h; sums of crop_area are integers, so exact.
// Limits: boxes lie on the device and are not checked there: what lies outside the image is cut off, and a box without
// pixels gives zeros.
#include "core/crop_math.h"
#include "cuda/kernels.h"
#include "cuda/launch.cuh"

namespace pyapdraw {
namespace cuda {

namespace {

constexpr int kThreads = 256, kWarpThreads = 128;
constexpr int64_t kSmallWindow = 40;  // pixels that one thread sums as fast as a warp

struct Window {  // half-open, in px of the image
  int64_t y0, y1, x0, x1;
};

struct Box {
  int64_t x, y, width, height;
};

__device__ Box box_inside(const Tensor& image, const int32_t* r) {
  const int64_t w = image.shape[1], h = image.shape[0];
  const int64_t x0 = r[0] > 0 ? r[0] : 0, y0 = r[1] > 0 ? r[1] : 0, x1 = r[2] < w ? r[2] : w, y1 = r[3] < h ? r[3] : h;
  return {x0, y0, x1 - x0, y1 - y0};
}

__device__ Window window_of(const Box& b, int64_t i, int64_t j, int64_t h, int64_t w) {
  return {b.y + crop::area_begin(i, b.height, h), b.y + crop::area_end(i, b.height, h),
          b.x + crop::area_begin(j, b.width, w), b.x + crop::area_end(j, b.width, w)};
}

// Adds every `step`-th pixel of the window, from the `first`. C channels from k on.
template <int C>
__device__ void add_window(const Tensor& image, const Window& v, int64_t k, int first, int step, int64_t* sum) {
  const int wide = static_cast<int>(v.x1 - v.x0);
  int64_t y = v.y0 + first / wide, x = v.x0 + first % wide;
  while (y < v.y1) {
    const uint8_t* p = image.as<uint8_t>() + y * image.stride[0] + x * image.stride[1] + k;
    for (int c = 0; c < C; ++c) sum[c] += p[c];
    for (x += step; x >= v.x1; x -= wide) ++y;
  }
}

template <int C>
__device__ void put_mean(const int64_t* sum, const Window& v, float subtract, float multiply, float* to) {
  const float count = static_cast<float>((v.x1 - v.x0) * (v.y1 - v.y0));
  for (int c = 0; c < C; ++c) to[c] = crop::area_mean(sum[c], count, subtract, multiply);
}

// C: channels summed at a time, the image has a multiple of it.
template <int C>
PA_KERNEL void crop_area_kernel(Tensor image, Tensor boxes, Tensor out, float subtract, float multiply,
                                int64_t blocks_a_box) {
  const int64_t n = blockIdx.x / blocks_a_box, first = blockIdx.x % blocks_a_box * kThreads;
  const int64_t h = out.shape[1], w = out.shape[2], outputs = h * w, channels = image.shape[2];
  const Box box = box_inside(image, boxes.as<int32_t>() + 4 * n);
  const bool empty = box.width <= 0 || box.height <= 0;
  const bool small = empty || (box.width / w + 1) * (box.height / h + 1) <= kSmallWindow;
  const int lanes = small ? 1 : 32, lane = small ? 0 : static_cast<int>(threadIdx.x % 32);
  for (int64_t o = first + threadIdx.x / lanes; o < outputs && o < first + kThreads; o += kThreads / lanes) {
    const int64_t i = o / w, j = o % w;
    const Window v = empty ? Window{} : window_of(box, i, j, h, w);
    float* to = out.as<float>() + n * out.stride[0] + i * out.stride[1] + j * out.stride[2];
    for (int64_t k = 0; k < channels; k += C) {
      int64_t sum[C] = {};
      if (!empty) add_window<C>(image, v, k, lane, lanes, sum);
      if (!small)
        for (int d = 16; d > 0; d /= 2)
          for (int c = 0; c < C; ++c) sum[c] += __shfl_xor_sync(0xffffffffu, sum[c], d);
      if (lane != 0) continue;
      if (empty)
        for (int c = 0; c < C; ++c) to[k + c] = 0.0f;
      else
        put_mean<C>(sum, v, subtract, multiply, to + k);
    }
  }
}

template <typename T, int C>
PA_KERNEL void crop_warp_kernel(Tensor image, Tensor to_image, Tensor out, float subtract, float multiply,
                                int64_t blocks_a_map) {
  constexpr int kTaps = crop::kMostTaps * crop::kMostTaps;
  __shared__ float offset_x[kTaps], offset_y[kTaps];
  __shared__ int taps;
  const int64_t n = blockIdx.x / blocks_a_map, o = blockIdx.x % blocks_a_map * kWarpThreads + threadIdx.x;
  const double* m = to_image.as<double>() + 6 * n;
  if (threadIdx.x < kTaps) {
    const int count = crop::tap_count(m);
    if (threadIdx.x == 0) taps = count;
    crop::tap_offset(m, count, static_cast<int>(threadIdx.x), &offset_x[threadIdx.x], &offset_y[threadIdx.x]);
  }
  __syncthreads();
  if (o >= out.shape[1] * out.shape[2]) return;
  const int64_t v = o / out.shape[2], u = o % out.shape[2];
  const int count = taps * taps;
  const float weight = 1.0f / static_cast<float>(count);
  const float x = static_cast<float>(m[1] * v + m[2]) + static_cast<float>(m[0]) * static_cast<float>(u);
  const float y = static_cast<float>(m[4] * v + m[5]) + static_cast<float>(m[3]) * static_cast<float>(u);
  float sum[C] = {};
  for (int i = 0; i < count; ++i)
    crop::add_bilinear<T, C>(image, x + offset_x[i], y + offset_y[i], weight, subtract, sum);
  float* to = out.as<float>() + n * out.stride[0] + v * out.stride[1] + u * out.stride[2];
  for (int c = 0; c < C; ++c) to[c] = (sum[c] - subtract) * multiply;
}

}  // namespace

void crop_area(const Tensor& image, const Tensor& boxes, const Tensor& out, float subtract, float multiply,
               const Context& ctx) {
  const int64_t a_box = blocks(out.shape[1] * out.shape[2], kThreads);
  const dim3 grid(blocks(boxes.shape[0] * a_box, 1));
  if (image.shape[2] % 3 == 0)
    launch(crop_area_kernel<3>, grid, dim3(kThreads), 0, ctx, image, boxes, out, subtract, multiply, a_box);
  else
    launch(crop_area_kernel<1>, grid, dim3(kThreads), 0, ctx, image, boxes, out, subtract, multiply, a_box);
}

void crop_warp(const Tensor& image, const Tensor& to_image, const Tensor& out, float subtract, float multiply,
               const Context& ctx) {
  const bool bytes = image.dtype == DType::u8, grey = image.shape[2] == 1;
  auto* kernel = bytes ? (grey ? crop_warp_kernel<uint8_t, 1> : crop_warp_kernel<uint8_t, 3>)
                       : (grey ? crop_warp_kernel<float, 1> : crop_warp_kernel<float, 3>);
  const int64_t a_map = blocks(out.shape[1] * out.shape[2], kWarpThreads);
  launch(kernel, dim3(blocks(out.shape[0] * a_map, 1)), dim3(kWarpThreads), 0, ctx, image, to_image, out, subtract,
         multiply, a_map);
}

}  // namespace cuda
}  // namespace pyapdraw
