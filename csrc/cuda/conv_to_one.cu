// A convolution, or transposed convolution, with one output channel, its bias and its activation.
//   out[y,x] = act(bias + sum_{c,k,l} weight[c,k,l] x[c, y + k - padding, x + l - padding]), or scattered where
//   transposed
// Method: a block computes 32 columns of a band of rows. Channels come in groups of 32 bytes a pixel, the sector that
// memory moves: two 16-byte loads a pixel where channels are innermost, neighbours along x otherwise; they are laid
// out plane by plane in shared memory. A thread keeps several rows of one column as sums: of a column of samples each
// is read once and used by every row whose taps reach it, and the taps of the column come to all threads at once. A
// transposed convolution is up x up convolutions of every up-th tap, one for each place within a step; a thread keeps
// the sums of all of them, so that samples are read once there too. 7x7 and 3x3, and 4x4 of stride 2, are unrolled;
// other sizes loop. Shared memory: samples with their halo, and the taps of the group; at most 90 KB.
// Numerics: float32 sums, group by group of channels, columns before rows; weights are rounded to x's type.
#include "cuda/activation.cuh"
#include "cuda/conv_to_one_plan.cuh"
#include "cuda/dtype.cuh"
#include "cuda/kernels.h"
#include "cuda/launch.cuh"

namespace pyapdraw {
namespace cuda {
namespace {

using to_one::Plan;

__device__ inline float value_at(const Tensor& t, int64_t i) {
  switch (t.dtype) {
    case DType::f16: return to_float(t.as<__half>()[i]);
    case DType::bf16: return to_float(t.as<__nv_bfloat16>()[i]);
    default: return t.as<float>()[i];
  }
}

// Sample that stands at place s of the padded input, or -1 for a zero.
__device__ inline int64_t source_index(int64_t s, int64_t n, bool reflect) {
  if (reflect) {
    if (s < 0) s = -s;
    if (s >= n) s = 2 * (n - 1) - s;
  }
  return s >= 0 && s < n ? s : -1;
}

// Taps of `count` channels from `first` on: taps[c][tx][ty][phase of y][phase of x], rows of tx padded to whole packs.
template <typename T>
__device__ void load_taps(const Tensor& weight, const Plan& p, int first, int count, float* taps) {
  const int64_t channel = p.up == 1 ? weight.stride[1] : weight.stride[0];
  const int each = p.x.taps * p.pitch;
  for (int i = threadIdx.x; i < count * each; i += to_one::kThreads) {
    const int c = i / each, tx = i % each / p.pitch, rest = i % p.pitch;
    const int qx = rest % p.up, qy = rest / p.up % p.up, ty = rest / p.up / p.up;
    const int k = p.tap(qy, ty, p.y.taps), l = p.tap(qx, tx, p.x.taps);
    const bool there = ty < p.y.taps && k < p.kernel_h && l < p.kernel_w;
    const int64_t at = (first + c) * channel + k * weight.stride[2] + l * weight.stride[3];
    taps[i] = there ? to_float(from_float<T>(value_at(weight, at))) : 0.0f;
  }
}

// Samples of `count` channels from `first` on: samples[c][row][column].
template <typename T, int N>
__device__ void load_samples(const Tensor& x, const Plan& p, int64_t n, int first, int count, int64_t top, int64_t left,
                             T* samples) {
  const T* image = x.as<T>() + n * x.stride[0] + first * x.stride[1];
  const int plane = p.rows * p.columns, packs = N > 1 ? to_one::kChannels<T> / N : 1;
  for (int i = threadIdx.x; i < plane * (N > 1 ? packs : count); i += to_one::kThreads) {
    const int c = N > 1 ? i % packs * N : i / plane, place = N > 1 ? i / packs : i % plane;
    const int column = place % p.columns, row = place / p.columns;
    const int64_t sy = source_index(top + row, x.shape[2], p.reflect);
    const int64_t sx = source_index(left + column, x.shape[3], p.reflect);
    const T* from = image + c * x.stride[1] + sy * x.stride[2] + sx * x.stride[3];
    const bool inside = sy >= 0 && sx >= 0;
    Pack<T, N> pack;
    if (inside && c + N <= count)
      pack = load_pack<N>(from);
    else
      for (int k = 0; k < N; ++k) pack.v[k] = inside && c + k < count ? from[k * x.stride[1]] : from_float<T>(0.0f);
    for (int k = 0; k < N; ++k) samples[(c + k) * plane + place] = pack.v[k];
  }
}

// sums[phase][r] += the taps of one channel, from the thread's place in its plane. K taps each way, all there.
template <int Up, int K, int R, typename T>
__device__ void accumulate(const T* from, const float* taps, const Plan& p, float (&sums)[Up * Up][R]) {
  constexpr int kPitch = to_one::pitch(K, Up);
#pragma unroll
  for (int tx = 0; tx < K; ++tx) {
    float w[kPitch], s[R + K - 1];
#pragma unroll
    for (int i = 0; i < kPitch; i += 4) {
      const Pack<float, 4> pack = load_pack<4>(taps + tx * kPitch + i);
#pragma unroll
      for (int k = 0; k < 4; ++k) w[i + k] = pack.v[k];
    }
#pragma unroll
    for (int r = 0; r < R + K - 1; ++r) s[r] = to_float(from[r * p.columns + tx]);
#pragma unroll
    for (int ty = 0; ty < K; ++ty)
#pragma unroll
      for (int q = 0; q < Up * Up; ++q)
#pragma unroll
        for (int r = 0; r < R; ++r) sums[q][r] += w[ty * Up * Up + q] * s[r + ty];
  }
}

// The same for any number of taps; those that a phase has not are left out.
template <int Up, int R, typename T>
__device__ void accumulate_any(const T* from, const float* taps, const Plan& p, float (&sums)[Up * Up][R]) {
  for (int tx = 0; tx < p.x.taps; ++tx)
    for (int ty = 0; ty < p.y.taps; ++ty) {
      float s[R];
#pragma unroll
      for (int r = 0; r < R; ++r) s[r] = to_float(from[(r + ty) * p.columns + tx]);
#pragma unroll
      for (int q = 0; q < Up * Up; ++q) {
        if (p.tap(q / Up, ty, p.y.taps) >= p.kernel_h || p.tap(q % Up, tx, p.x.taps) >= p.kernel_w) continue;
        const float w = taps[tx * p.pitch + ty * Up * Up + q];
#pragma unroll
        for (int r = 0; r < R; ++r) sums[q][r] += w * s[r];
      }
    }
}

template <int Up, int R, typename T>
__device__ void store(const Tensor& out, const Plan& p, int64_t n, int64_t row, int64_t column,
                      const float (&sums)[Up * Up][R], float bias) {
#pragma unroll
  for (int q = 0; q < Up * Up; ++q) {
    float v[R];
#pragma unroll
    for (int r = 0; r < R; ++r) v[r] = sums[q][r] + bias;
    activate(p.activation, v, 0.2f);
    const int64_t ox = p.x.output(column, q % Up, Up);
    if (ox < 0 || ox >= out.shape[3]) continue;
#pragma unroll
    for (int r = 0; r < R; ++r) {
      const int64_t oy = p.y.output(row + r, q / Up, Up);
      if (oy < 0 || oy >= out.shape[2]) continue;
      const int64_t at = n * out.stride[0] + oy * out.stride[2] + ox * out.stride[3];
      if (out.dtype == DType::f32)
        out.as<float>()[at] = v[r];
      else
        out.as<T>()[at] = from_float<T>(v[r]);
    }
  }
}

// K = 0: any number of taps.
template <typename T, int Up, int K>
PA_KERNEL void __launch_bounds__(to_one::kThreads)
    conv_to_one_kernel(Tensor x, Tensor weight, Tensor bias, Tensor out, Plan p) {
  PA_SHARED(uint4, shared);  // aligned for whatever lies in it
  constexpr int R = to_one::rows_each(Up);
  float* taps = reinterpret_cast<float*>(shared);
  T* samples = reinterpret_cast<T*>(reinterpret_cast<char*>(shared) + p.samples_at);
  const int lane = threadIdx.x % to_one::kColumns, first_row = threadIdx.x / to_one::kColumns * R;
  const float b = p.with_bias ? value_at(bias, 0) : 0.0f;
  for (int64_t i = blockIdx.x; i < p.tiles; i += gridDim.x) {
    const int64_t column = i % p.x.tiles * to_one::kColumns, above = i / p.x.tiles;
    const int64_t row = above % p.y.tiles * to_one::kWarps * R, n = above / p.y.tiles;
    float sums[Up * Up][R] = {};
    for (int64_t c = 0; c < x.shape[1]; c += to_one::kChannels<T>) {
      const int64_t left = x.shape[1] - c;
      const int count = left < to_one::kChannels<T> ? static_cast<int>(left) : to_one::kChannels<T>;
      load_taps<T>(weight, p, static_cast<int>(c), count, taps);
      if (p.packs)
        load_samples<T, kPack<T>>(x, p, n, static_cast<int>(c), count, row + p.y.source, column + p.x.source, samples);
      else
        load_samples<T, 1>(x, p, n, static_cast<int>(c), count, row + p.y.source, column + p.x.source, samples);
      __syncthreads();
      for (int k = 0; k < count; ++k) {
        const T* from = samples + (k * p.rows + first_row) * p.columns + lane;
        if constexpr (K > 0)
          accumulate<Up, K, R>(from, taps + k * K * to_one::pitch(K, Up), p, sums);
        else
          accumulate_any<Up, R>(from, taps + k * p.x.taps * p.pitch, p, sums);
      }
      __syncthreads();  // the next group overwrites
    }
    store<Up, R, T>(out, p, n, row + first_row, column + lane, sums, b);
  }
}

template <typename T, int Up, int K>
void start(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& out, const Plan& p,
           const Context& ctx) {
  const auto kernel = conv_to_one_kernel<T, Up, K>;
  if (p.shared_bytes > to_one::kUsualShared)
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, p.shared_bytes), "conv_to_one");
  launch(kernel, dim3(blocks(p.tiles, 1)), dim3(to_one::kThreads), static_cast<size_t>(p.shared_bytes), ctx, x, weight,
         bias, out, p);
}

}  // namespace

void conv_to_one(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& out, const ConvToOne& how,
                 const Context& ctx) {
  for_float_type(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    const Plan p = to_one::plan<T>(x, weight, bias, out, how);
    const int k = p.kernel_h == p.kernel_w ? p.kernel_h : 0;
    switch (how.up) {
      case 1:
        return k == 7   ? start<T, 1, 7>(x, weight, bias, out, p, ctx)
               : k == 3 ? start<T, 1, 3>(x, weight, bias, out, p, ctx)
                        : start<T, 1, 0>(x, weight, bias, out, p, ctx);
      case 2:
        return k == 4 ? start<T, 2, 2>(x, weight, bias, out, p, ctx) : start<T, 2, 0>(x, weight, bias, out, p, ctx);
      case 3: return start<T, 3, 0>(x, weight, bias, out, p, ctx);
      default: return start<T, 4, 0>(x, weight, bias, out, p, ctx);
    }
  });
}

}  // namespace cuda
}  // namespace pyapdraw
