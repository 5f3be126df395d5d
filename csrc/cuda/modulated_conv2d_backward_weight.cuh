#pragma once
// The matrix kernel of modulated_conv2d_backward_weight: for every tap, grad_weight[o][i] is a product over pixels of
// grad [pixel][o] and x [pixel][i], which both lie the right way for transposing loads. A block computes kO outputs x
// kI inputs x all taps. It walks over boxes of kPixels pixels of grad: a box of grad and the patch of x under all its
// taps come into shared memory once, three deep (cp.async), a tap is an offset into the patch, and what lies outside
// the images is zeros. Four warps, each half of the outputs and half of the inputs, tensor cores for 16-bit operands;
// float32 in fused multiply-adds, a thread 4 outputs x 4 inputs x all taps.
// Blocks share the boxes of one sample or, where the scales are in the operands already, of all samples; each writes
// its sums, times its sample's scales, to a place of its own, and modulated_conv2d_backward_weight_reduce_kernel adds
// them in order: no atomics.
#include "cuda/modulated_conv2d.cuh"
#include "cuda/ptx.cuh"

namespace pyapdraw {
namespace cuda {
namespace modconv {

struct Scales {
  const float* at = nullptr;  // null: ones
  int64_t n_step = 0, c_step = 0;
  __device__ float get(int64_t n, int c) const { return at ? at[n * n_step + c * c_step] : 1.0f; }
};

// One of the two images, channels last.
struct Image {
  const void* data = nullptr;
  int64_t n_step = 0, y_step = 0, x_step = 0;
  int height = 0, width = 0, channels = 0;
  Scales scales;
};

struct WeightGrad {
  Image grad, x;
  int outputs = 0, inputs = 0, stride = 1, pad = 0;
  int log_box_h = 0, log_box_w = 0, boxes_y = 0, boxes_x = 0, patch_h = 0, patch_w = 0;
  int64_t boxes = 0, boxes_a_split = 0;  // of a group
  int64_t groups = 1, splits = 1;        // samples with sums of their own; splits of each
  int tiles_o = 0, tiles_i = 0;
  float* partial = nullptr;  // [groups * splits][tiles_o * kO][taps][tiles_i * kI]
};

template <typename T, int Taps>
struct GradShape {
  using Element = T;
  static constexpr int kTaps = Taps, kO = 64, kI = 32, kPixels = sizeof(T) == 2 ? 64 : 32, kStages = 3;
  static constexpr int kGradBytes = kO * int{sizeof(T)}, kXBytes = kI * int{sizeof(T)};  // of a pixel
  // Where chunk c of pixel p lies within its row, so that eight neighbouring pixels are in different banks.
  __device__ static int grad_chunk(int p, int c) { return sizeof(T) == 2 ? c ^ (p & 7) : c; }
  __device__ static int x_chunk(int p, int c) { return sizeof(T) == 2 ? c ^ (p >> 1 & 3) : c; }
  PYAPDRAW_DEVICE static int patch_bytes(const WeightGrad& g) { return g.patch_h * g.patch_w * kXBytes; }
  PYAPDRAW_DEVICE static int stage_bytes(const WeightGrad& g) { return kPixels * kGradBytes + patch_bytes(g); }
};

// The patch pixel under tap (0, 0) of pixel p of a box.
__device__ inline int patch_pixel(const WeightGrad& g, int p) {
  return (p >> g.log_box_w) * g.stride * g.patch_w + (p & ((1 << g.log_box_w) - 1)) * g.stride;
}

template <class S>
struct TensorCoreGrad {
  static constexpr int kSteps = S::kPixels / 16;
  float sum[S::kTaps][2][2][4];  // [tap][16 outputs][8 inputs]
  int pixel[kSteps];             // of the patch, for this lane's rows of x
  int o0, i0, lane;

  __device__ explicit TensorCoreGrad(const WeightGrad& g) {
    lane = threadIdx.x % 32;
    o0 = threadIdx.x / 32 % 2 * 32, i0 = threadIdx.x / 64 * 16;
#pragma unroll
    for (int k = 0; k < kSteps; ++k) pixel[k] = patch_pixel(g, 16 * k + lane % 16);
#pragma unroll
    for (int t = 0; t < S::kTaps; ++t)
#pragma unroll
      for (int a = 0; a < 16; ++a) sum[t][a / 8][a / 4 % 2][a % 4] = 0;
  }

  __device__ void multiply(const char* grad, const char* x, int patch_w) {
#pragma unroll
    for (int k = 0; k < kSteps; ++k) {
      uint32_t a[2][4];
#pragma unroll
      for (int m = 0; m < 2; ++m) {
        const int p = 16 * k + lane % 8 + lane / 16 * 8, chunk = o0 / 8 + 2 * m + lane / 8 % 2;
        ldmatrix_x4_trans(a[m], grad + p * S::kGradBytes + S::grad_chunk(p, chunk) * 16);
      }
#pragma unroll
      for (int t = 0; t < S::kTaps; ++t) {
        const int p = pixel[k] + t / 3 * patch_w + t % 3;
        uint32_t b[4];
        ldmatrix_x4_trans(b, x + p * S::kXBytes + S::x_chunk(p, i0 / 8 + lane / 16) * 16);
#pragma unroll
        for (int m = 0; m < 2; ++m)
#pragma unroll
          for (int n = 0; n < 2; ++n) {
            const uint32_t column[2] = {b[2 * n], b[2 * n + 1]};
            mma_m16n8k16<typename S::Element>(sum[t][m][n], a[m], column);
          }
      }
    }
  }

  // f(output, input, tap, sum) for all of this thread.
  template <typename F>
  __device__ void each(F&& f) const {
#pragma unroll
    for (int t = 0; t < S::kTaps; ++t)
#pragma unroll
      for (int a = 0; a < 16; ++a)
        f(o0 + a / 8 * 16 + lane / 4 + a % 4 / 2 * 8, i0 + a / 4 % 2 * 8 + lane % 4 * 2 + a % 2, t,
          sum[t][a / 8][a / 4 % 2][a % 4]);
  }
};

template <class S>
struct FloatGrad {
  float sum[S::kTaps][4][4];
  int o0, i0, log_box_w, stride;

  __device__ explicit FloatGrad(const WeightGrad& g) : log_box_w(g.log_box_w), stride(g.stride) {
    o0 = threadIdx.x / 8 * 4, i0 = threadIdx.x % 8 * 4;
#pragma unroll
    for (int t = 0; t < S::kTaps; ++t)
#pragma unroll
      for (int a = 0; a < 16; ++a) sum[t][a / 4][a % 4] = 0;
  }

  __device__ void multiply(const char* grad, const char* x, int patch_w) {
#pragma unroll 1
    for (int p = 0; p < S::kPixels; ++p) {
      const float4 a = *reinterpret_cast<const float4*>(grad + p * S::kGradBytes + o0 * 4);
      const float left[4] = {a.x, a.y, a.z, a.w};
      const int first = (p >> log_box_w) * stride * patch_w + (p & ((1 << log_box_w) - 1)) * stride;
#pragma unroll
      for (int t = 0; t < S::kTaps; ++t) {
        const char* row = x + (first + t / 3 * patch_w + t % 3) * S::kXBytes;
        const float4 b = *reinterpret_cast<const float4*>(row + i0 * 4);
#pragma unroll
        for (int o = 0; o < 4; ++o) {
          sum[t][o][0] = fmaf(left[o], b.x, sum[t][o][0]);
          sum[t][o][1] = fmaf(left[o], b.y, sum[t][o][1]);
          sum[t][o][2] = fmaf(left[o], b.z, sum[t][o][2]);
          sum[t][o][3] = fmaf(left[o], b.w, sum[t][o][3]);
        }
      }
    }
  }

  template <typename F>
  __device__ void each(F&& f) const {
#pragma unroll
    for (int t = 0; t < S::kTaps; ++t)
#pragma unroll
      for (int a = 0; a < 16; ++a) f(o0 + a / 4, i0 + a % 4, t, sum[t][a / 4][a % 4]);
  }
};

template <class S, bool kNarrow = sizeof(typename S::Element) == 2>
struct GradOf {
  using Type = TensorCoreGrad<S>;
};
template <class S>
struct GradOf<S, false> {
  using Type = FloatGrad<S>;
};

// Copies channels [first, first + kBytes of them) of pixel (y, x) to shared memory, zeros for what is not there.
template <typename T>
__device__ void copy_chunk(char* to, const Image& image, int64_t n, int y, int x, int channel) {
  const bool there = y >= 0 && y < image.height && x >= 0 && x < image.width && channel < image.channels;
  const T* from = static_cast<const T*>(image.data);
  if (there) from += n * image.n_step + y * image.y_step + x * image.x_step + channel;
  cp_async16(to, from, there);
}

// Box `box` of the group's to a stage: grad first, then the patch of x.
template <class S>
__device__ void copy_box(const WeightGrad& g, char* stage, int64_t group, int64_t box, int first_o, int first_i) {
  using T = typename S::Element;
  constexpr int kChunk = 16 / int{sizeof(T)}, kGradChunks = S::kGradBytes / 16, kXChunks = S::kXBytes / 16;
  const int64_t a_sample = static_cast<int64_t>(g.boxes_y) * g.boxes_x, n = group + box / a_sample;
  const int in_sample = static_cast<int>(box % a_sample);
  const int y0 = in_sample / g.boxes_x << g.log_box_h, x0 = in_sample % g.boxes_x << g.log_box_w;
  for (int q = threadIdx.x; q < S::kPixels * kGradChunks; q += kTileThreads) {
    const int p = q / kGradChunks, c = q % kGradChunks;
    copy_chunk<T>(stage + p * S::kGradBytes + S::grad_chunk(p, c) * 16, g.grad, n, y0 + (p >> g.log_box_w),
                  x0 + (p & ((1 << g.log_box_w) - 1)), first_o + c * kChunk);
  }
  char* patch = stage + S::kPixels * S::kGradBytes;
  for (int q = threadIdx.x; q < g.patch_h * g.patch_w * kXChunks; q += kTileThreads) {
    const int p = q / kXChunks, c = q % kXChunks;
    copy_chunk<T>(patch + p * S::kXBytes + S::x_chunk(p, c) * 16, g.x, n, y0 * g.stride - g.pad + p / g.patch_w,
                  x0 * g.stride - g.pad + p % g.patch_w, first_i + c * kChunk);
  }
}

template <class S>
PA_KERNEL void __launch_bounds__(kTileThreads) modulated_conv2d_backward_weight_kernel(WeightGrad g) {
  PA_SHARED(uint4, shared);
  char* memory = reinterpret_cast<char*>(shared);
  const int first_i = static_cast<int>(blockIdx.x % g.tiles_i) * S::kI;
  const int first_o = static_cast<int>(blockIdx.x / g.tiles_i % g.tiles_o) * S::kO;
  const int64_t split = blockIdx.x / g.tiles_i / g.tiles_o, group = split / g.splits;
  const int64_t begin = split % g.splits * g.boxes_a_split;
  const int64_t end = begin + g.boxes_a_split < g.boxes ? begin + g.boxes_a_split : g.boxes;
  const int bytes = S::stage_bytes(g);
  typename GradOf<S>::Type sums(g);
  int64_t next = begin;
  int next_slot = 0, slot = 0;
  const auto copy_next = [&] {
    if (next < end) copy_box<S>(g, memory + next_slot * bytes, group, next++, first_o, first_i);
    cp_async_commit();
    next_slot = next_slot + 1 == S::kStages ? 0 : next_slot + 1;
  };
  for (int s = 0; s < S::kStages - 1; ++s) copy_next();
  for (int64_t box = begin; box < end; ++box) {
    cp_async_wait<S::kStages - 2>();
    __syncthreads();
    copy_next();
    const char* stage = memory + slot * bytes;
    sums.multiply(stage, stage + S::kPixels * S::kGradBytes, g.patch_w);
    slot = slot + 1 == S::kStages ? 0 : slot + 1;
  }
  cp_async_wait<0>();
  const int64_t pitch = static_cast<int64_t>(g.tiles_i) * S::kI;
  float* to = g.partial + (split * g.tiles_o * S::kO + first_o) * S::kTaps * pitch + first_i;
  sums.each([&](int o, int i, int tap, float sum) {
    if (first_o + o >= g.outputs || first_i + i >= g.inputs) return;
    const float scale = g.grad.scales.get(group, first_o + o) * g.x.scales.get(group, first_i + i);
    to[(static_cast<int64_t>(o) * S::kTaps + tap) * pitch + i] = sum * scale;
  });
}

}  // namespace modconv
}  // namespace cuda
}  // namespace pyapdraw
