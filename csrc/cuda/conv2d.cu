// 2D convolution with bias and PReLU, and max pooling, on channel-last float32: the definitions of csrc/cpu/conv2d.cpp.
// Method: the product of a matrix of taps (output pixels x (ky, kx, i)) with the weights ((ky, kx, i) x outputs), which
// lie in memory as it needs them. A block computes BM pixels x BN outputs; 16 taps of both at a time are brought to
// shared memory, the next ones already into registers meanwhile; a thread keeps TM x TN sums. Which ky, kx and i the
// next taps are is worked out once a block and step, by the first threads. Pixels are counted over the whole batch, so
// rows of any width fill the blocks; layers with few of them take smaller blocks.
// Shared memory: up to 7.3 KB. 16-byte loads along the channels where their count and the strides allow.
// Numerics: one float32 accumulator an output, from the bias on in the order ky, kx, i, as on the CPU. Taps beyond the
// border are multiplied as zeros.
// max_pool2d: a thread an output, or four of neighbouring channels; the windows meet in the cache. NaN stays.
#include "cuda/channels.cuh"
#include "cuda/kernels.h"
#include "cuda/launch.cuh"

namespace pyapdraw {
namespace cuda {

namespace {

constexpr int kThreads = 128, kSteps = 16, kPoolThreads = 256;
constexpr int64_t kManyBlocks = 256;  // below, blocks are made smaller so that more multiprocessors work

struct Layer {
  Tensor x, weight, bias, slope, out;
  int stride, pad;
  int64_t pixels;
  bool x_vectors, weight_vectors, out_vectors;  // 16-byte accesses are possible
};

struct Tap {  // one of the next taps: where it lies in x, seen from the window's corner
  int64_t offset;
  int32_t ky, kx;
};

__device__ Tap tap_at(const Layer& p, int64_t k) {
  const int64_t channels = p.x.shape[3], kw = p.weight.shape[1];
  const int64_t place = k / channels, i = k - place * channels, ky = place / kw, kx = place - ky * kw;
  return {ky * p.x.stride[1] + kx * p.x.stride[2] + i, static_cast<int32_t>(ky), static_cast<int32_t>(kx)};
}

struct Corner {  // of a pixel's window in x
  int64_t offset;
  int32_t y, x;
};

__device__ Corner corner_of(const Layer& p, int64_t pixel) {
  const int64_t wo = p.out.shape[2], ho = p.out.shape[1];
  const int64_t u = pixel % wo, v = pixel / wo % ho, n = pixel / wo / ho;
  const int64_t top = v * p.stride - p.pad, left = u * p.stride - p.pad;
  return {n * p.x.stride[0] + top * p.x.stride[1] + left * p.x.stride[2], static_cast<int32_t>(top),
          static_cast<int32_t>(left)};
}

// What a thread carries from global to shared memory at one step: A taps of pixels and B weights, in groups of V.
template <int BM, int BN, int V>
struct Carried {
  static constexpr int A = BM * kSteps / kThreads, B = BN * kSteps / kThreads;
  static_assert(A % 4 == 0 || V == 1, "whole vectors");
  float a[A], b[B];

  // Group g of this thread: taps V * (g's place) on of which pixel of the block.
  __device__ static void place(int g, int* tap, int* pixel) {
    const int at = g * kThreads + static_cast<int>(threadIdx.x);
    *tap = at % (kSteps / V) * V;
    *pixel = at / (kSteps / V);
  }

  __device__ void load_taps(const Layer& p, const Tap* taps, const Corner* corners, int64_t first, int64_t count) {
    for (int g = 0; g < A / V; ++g) {
      int t, m;
      place(g, &t, &m);
      const Tap tap = taps[t];
      const Corner c = corners[m];
      const int64_t y = int64_t{c.y} + tap.ky, x = int64_t{c.x} + tap.kx;
      const bool there = first + t < count && y >= 0 && y < p.x.shape[1] && x >= 0 && x < p.x.shape[2];
      const float* from = p.x.as<float>() + c.offset + tap.offset;
      if (V == 4) {
        const float4 v = there ? *reinterpret_cast<const float4*>(from) : make_float4(0, 0, 0, 0);
        a[4 * g] = v.x, a[4 * g + 1] = v.y, a[4 * g + 2] = v.z, a[4 * g + 3] = v.w;
      } else {
        a[g] = there ? *from : 0.0f;
      }
    }
  }

  __device__ void load_weights(const Layer& p, int64_t first, int64_t count, int64_t output) {
    const int64_t outputs = p.weight.shape[3];
    if (B % 4 == 0 && p.weight_vectors) {
      for (int g = 0; g < B / 4; ++g) {
        const int at = 4 * (g * kThreads + static_cast<int>(threadIdx.x));
        const int64_t k = first + at / BN, o = output + at % BN;
        const bool there = k < count && o < outputs;
        const float4 v =
            there ? *reinterpret_cast<const float4*>(p.weight.as<float>() + k * outputs + o) : make_float4(0, 0, 0, 0);
        b[4 * g] = v.x, b[4 * g + 1] = v.y, b[4 * g + 2] = v.z, b[4 * g + 3] = v.w;
      }
      return;
    }
    for (int g = 0; g < B; ++g) {
      const int at = (g / kGroup * kThreads + static_cast<int>(threadIdx.x)) * kGroup + g % kGroup;
      const int64_t k = first + at / BN, o = output + at % BN;
      b[g] = k < count && o < outputs ? p.weight.as<float>()[k * outputs + o] : 0.0f;
    }
  }

  __device__ void store(float (&taps)[kSteps][BM + 4], float (&weights)[kSteps][BN]) const {
    for (int g = 0; g < A / V; ++g) {
      int t, m;
      place(g, &t, &m);
      for (int q = 0; q < V; ++q) taps[t + q][m] = a[V * g + q];
    }
    for (int g = 0; g < B; ++g) {
      const int at = (g / kGroup * kThreads + static_cast<int>(threadIdx.x)) * kGroup + g % kGroup;
      weights[at / BN][at % BN] = b[g];
    }
  }

  static constexpr int kGroup = B % 4 == 0 ? 4 : 1;  // neighbouring weights of a thread
};

template <int TM, int TN>
__device__ void put(const Layer& p, int64_t pixel, int64_t output, const float (&sum)[TM][TN]) {
  const int64_t wo = p.out.shape[2], ho = p.out.shape[1], outputs = p.out.shape[3];
  for (int m = 0; m < TM; ++m, ++pixel) {
    if (pixel >= p.pixels) return;
    const int64_t u = pixel % wo, v = pixel / wo % ho, n = pixel / wo / ho;
    float* to = p.out.as<float>() + n * p.out.stride[0] + v * p.out.stride[1] + u * p.out.stride[2] + output;
    float y[TN];
    for (int j = 0; j < TN; ++j) {
      const float s = sum[m][j];
      y[j] = s > 0.0f ? s : s * (output + j < outputs ? p.slope.as<float>()[output + j] : 0.0f);
    }
    if (TN == 4 && p.out_vectors && output < outputs)
      *reinterpret_cast<float4*>(to) = make_float4(y[0], y[1 % TN], y[2 % TN], y[3 % TN]);
    else
      for (int j = 0; j < TN && output + j < outputs; ++j) to[j] = y[j];
  }
}

template <int BM, int BN, int TM, int TN, int V>
PA_KERNEL __launch_bounds__(kThreads) void conv2d_kernel(Layer p, int64_t output_blocks) {
  static_assert(BM / TM * (BN / TN) == kThreads, "a thread a tile");
  alignas(16) __shared__ float taps[kSteps][BM + 4];
  alignas(16) __shared__ float weights[kSteps][BN];
  __shared__ Corner corners[BM];
  __shared__ Tap next[kSteps];
  const int t = static_cast<int>(threadIdx.x), m0 = t / (BN / TN) * TM, o0 = t % (BN / TN) * TN;
  const int64_t pixel = blockIdx.x / output_blocks * BM, output = blockIdx.x % output_blocks * BN;
  const int64_t outputs = p.weight.shape[3], count = p.weight.shape[0] * p.weight.shape[1] * p.x.shape[3];
  // Pixels beyond the last are computed as the last, and not stored.
  if (t < BM) corners[t] = corner_of(p, pixel + t < p.pixels ? pixel + t : p.pixels - 1);
  if (t < kSteps && t < count) next[t] = tap_at(p, t);
  float sum[TM][TN];
  for (int j = 0; j < TN; ++j) {
    const float bias = output + o0 + j < outputs ? p.bias.as<float>()[output + o0 + j] : 0.0f;
    for (int m = 0; m < TM; ++m) sum[m][j] = bias;
  }
  __syncthreads();
  Carried<BM, BN, V> carried;
  carried.load_taps(p, next, corners, 0, count);
  carried.load_weights(p, 0, count, output);
  for (int64_t k = 0; k < count; k += kSteps) {
    __syncthreads();  // the taps before are used up, and `next` is read
    carried.store(taps, weights);
    const int64_t following = k + kSteps;
    if (t < kSteps && following + t < count) next[t] = tap_at(p, following + t);
    __syncthreads();
    if (following < count) {
      carried.load_taps(p, next, corners, following, count);
      carried.load_weights(p, following, count, output);
    }
#pragma unroll
    for (int s = 0; s < kSteps; ++s) {
      float a[TM], b[TN];
      for (int m = 0; m < TM; ++m) a[m] = taps[s][m0 + m];
      for (int j = 0; j < TN; ++j) b[j] = weights[s][o0 + j];
      for (int m = 0; m < TM; ++m)
        for (int j = 0; j < TN; ++j) sum[m][j] += a[m] * b[j];
    }
  }
  put(p, pixel + m0, output + o0, sum);
}

template <int BM, int BN, int TM, int TN>
void run(const Layer& p, const Context& ctx) {
  const int64_t output_blocks = blocks(p.out.shape[3], BN);
  const dim3 grid(blocks(blocks(p.pixels, BM) * output_blocks, 1)), block(kThreads);
  if (p.x_vectors)
    launch(conv2d_kernel<BM, BN, TM, TN, 4>, grid, block, 0, ctx, p, output_blocks);
  else
    launch(conv2d_kernel<BM, BN, TM, TN, 1>, grid, block, 0, ctx, p, output_blocks);
}

// C neighbouring channels a thread.
template <int C>
PA_KERNEL __launch_bounds__(kPoolThreads) void max_pool2d_kernel(Tensor x, Tensor out, int kernel, int stride,
                                                                 int64_t count) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kPoolThreads + threadIdx.x, groups = out.shape[3] / C;
  if (i >= count) return;
  const int64_t c = i % groups * C, u = i / groups % out.shape[2], row = i / groups / out.shape[2];
  const int64_t v = row % out.shape[1], n = row / out.shape[1], top = v * stride, left = u * stride;
  const float* in = x.as<float>() + n * x.stride[0] + c;
  float best[C];
  for (int64_t y = top; y < top + kernel && y < x.shape[1]; ++y)
    for (int64_t z = left; z < left + kernel && z < x.shape[2]; ++z) {
      float value[C];
      if (C == 4)
        *reinterpret_cast<float4*>(value) = *reinterpret_cast<const float4*>(in + y * x.stride[1] + z * x.stride[2]);
      else
        value[0] = in[y * x.stride[1] + z * x.stride[2]];
      const bool first = y == top && z == left;
      for (int k = 0; k < C; ++k)
        if (first || !(best[k] > value[k] || best[k] != best[k])) best[k] = value[k];  // NaN stays
    }
  float* to = out.as<float>() + n * out.stride[0] + v * out.stride[1] + u * out.stride[2] + c;
  if (C == 4)
    *reinterpret_cast<float4*>(to) = *reinterpret_cast<const float4*>(best);
  else
    to[0] = best[0];
}

}  // namespace

void conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& slope, const Tensor& out,
            int stride, int pad, const Context& ctx) {
  if (out.numel() == 0) return;
  Layer p{x, weight, bias, slope, out, stride, pad, out.shape[0] * out.shape[1] * out.shape[2], false, false, false};
  p.x_vectors = channel_quads(x);
  p.weight_vectors = weight.shape[3] % 4 == 0 && reinterpret_cast<uintptr_t>(weight.data) % 16 == 0;
  p.out_vectors = channel_quads(out);
  if (int64_t{blocks(p.pixels, 64)} * blocks(out.shape[3], 32) >= kManyBlocks)
    run<64, 32, 4, 4>(p, ctx);
  else
    run<32, 16, 2, 2>(p, ctx);
}

// Where only the CPU has an instruction for it, float32 is what it stands for.
void conv2d_bf16(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& slope, const Tensor& out,
                 int stride, int pad, const Context& ctx) {
  cuda::conv2d(x, weight, bias, slope, out, stride, pad, ctx);
}

void max_pool2d(const Tensor& x, const Tensor& out, int kernel, int stride, const Context& ctx) {
  const bool wide = channel_quads(x) && channel_quads(out);
  const int64_t count = out.numel() / (wide ? 4 : 1);
  launch(wide ? max_pool2d_kernel<4> : max_pool2d_kernel<1>, dim3(blocks(count, kPoolThreads)), dim3(kPoolThreads), 0,
         ctx, x, out, kernel, stride, count);
}

}  // namespace cuda
}  // namespace pyapdraw
