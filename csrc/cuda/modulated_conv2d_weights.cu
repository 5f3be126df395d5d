// The weights of modulated_conv2d as its matrix kernel wants them, and the demodulation: semantics in ops.h.
//   shared:      packed[o][tap][i] = weight / p[o];      scale[n][o] = d[n][o] * p[o] * q[n]
//   per sample:  packed[n][o][tap][i] = d * styles * weight;  scale = 1
// with d = rsqrt(sum of (styles * weight)^2 + 1e-8), and powers of two p and q next to the largest weight of an output
// and the largest style of a sample, so that 16-bit operands neither overflow nor lose digits (float32: both 1).
// One block an output channel (and sample): the first walk over its weights sums and finds the largest, the second,
// from the cache, converts. Neighbouring threads take neighbouring input channels. Sums are float32 in a fixed order.
#include "cuda/modulated_conv2d.cuh"

namespace pyapdraw {
namespace cuda {
namespace modconv {
namespace {

constexpr int kThreads = 128, kWarps = kThreads / 32;
constexpr int kSamples = 8;  // whose demodulation is summed in one walk

// Sums (or, with kLargest, maxima) over the block; every thread gets them.
template <bool kLargest, int kCount>
__device__ void reduce_block(float (&v)[kCount]) {
  __shared__ float of_warp[kWarps][kCount];
#pragma unroll
  for (int k = 0; k < kCount; ++k)
    for (int step = 16; step > 0; step /= 2) {
      const float other = __shfl_xor_sync(0xffffffffu, v[k], step);
      v[k] = kLargest ? fmaxf(v[k], other) : v[k] + other;
    }
  __syncthreads();  // what the reduction before left has been read
  if (threadIdx.x % 32 == 0)
    for (int k = 0; k < kCount; ++k) of_warp[threadIdx.x / 32][k] = v[k];
  __syncthreads();
  for (int k = 0; k < kCount; ++k) {
    v[k] = of_warp[0][k];
    for (int w = 1; w < kWarps; ++w) v[k] = kLargest ? fmaxf(v[k], of_warp[w][k]) : v[k] + of_warp[w][k];
  }
}

// The power of two at or below x, as its exponent field; 1 for zero and what is not finite.
__device__ uint32_t exponent_of(float x) {
  const uint32_t e = act::bits_of(x) >> 23 & 255u;
  return x == 0.0f || e == 255u ? 127u : e < 1u ? 1u : e > 253u ? 253u : e;
}
__device__ float power_of(uint32_t exponent) { return act::from_bits(exponent << 23); }
__device__ float inverse_power_of(uint32_t exponent) { return act::from_bits((254u - exponent) << 23); }

// The weights of one output channel.
template <typename W, int kTaps>
struct Row {
  const W* at;
  int64_t i_step, y_step, x_step;

  __device__ float get(int64_t i, int tap) const {
    return to_float(at[i * i_step + (kTaps == 1 ? 0 : tap / 3 * y_step + tap % 3 * x_step)]);
  }
  // The sum of squares of input channel i; the largest magnitude so far.
  __device__ float squares(int64_t i, float* largest) const {
    float sum = 0;
#pragma unroll
    for (int tap = 0; tap < kTaps; ++tap) {
      const float w = get(i, tap);
      sum += w * w;
      *largest = fmaxf(*largest, fabsf(w));
    }
    return sum;
  }
};

struct Styles {
  const float* at;
  int64_t n_step, i_step, samples;
  __device__ float get(int64_t n, int64_t i) const { return at[n * n_step + i * i_step]; }
};

// packed[tap][i] = weight * factor * styles[n], zero beyond the inputs; n < 0: without styles.
template <typename T, typename W, int kTaps>
__device__ void convert(const Row<W, kTaps>& row, const Styles& styles, int64_t n, int64_t inputs, float factor,
                        int channels, T* packed) {
  for (int i = threadIdx.x; i < channels; i += kThreads) {
    const float scale = i < inputs && n >= 0 ? styles.get(n, i) * factor : factor;
#pragma unroll
    for (int tap = 0; tap < kTaps; ++tap)
      packed[static_cast<int64_t>(tap) * channels + i] = from_float<T>(i < inputs ? row.get(i, tap) * scale : 0.0f);
  }
}

template <typename T, typename W, int kTaps>
PA_KERNEL void __launch_bounds__(kThreads)
    modulated_conv2d_weights_kernel(Tensor weight, Styles styles, WeightPass pass) {
  const int64_t outputs = weight.shape[0], inputs = weight.shape[1], o = blockIdx.x % outputs;
  const Row<W, kTaps> row{weight.as<W>() + o * weight.stride[0], weight.stride[1], weight.stride[2], weight.stride[3]};
  T* packed = static_cast<T*>(pass.packed);
  if (packed) packed += blockIdx.x * static_cast<int64_t>(kTaps) * pass.channels;
  if (!pass.style_power) {
    const int64_t n = blockIdx.x / outputs;
    float sum[1] = {0}, largest[1] = {0};
    for (int64_t i = threadIdx.x; i < inputs; i += kThreads) {
      const float s = styles.get(n, i);
      float most = 0;
      sum[0] += s * s * row.squares(i, &most);
      largest[0] = fmaxf(largest[0], most * fabsf(s));
    }
    reduce_block<false>(sum);
    reduce_block<true>(largest);
    const uint32_t power = sizeof(T) < 4 ? exponent_of(largest[0]) : 127u;
    const float factor = pass.demodulate ? 1.0f / sqrtf(sum[0] + 1e-8f) : inverse_power_of(power);
    convert(row, styles, n, inputs, factor, pass.channels, packed);
    if (threadIdx.x == 0) pass.scale[n * outputs + o] = pass.demodulate ? 1.0f : power_of(power);
    return;
  }
  uint32_t power = 127;
  for (int64_t first = 0; first < styles.samples; first += kSamples) {
    float sums[kSamples] = {}, styles_largest[kSamples] = {}, largest[1] = {0};
    for (int64_t i = threadIdx.x; i < inputs; i += kThreads) {
      const float squares = row.squares(i, &largest[0]);
#pragma unroll
      for (int k = 0; k < kSamples; ++k) {
        const float s = first + k < styles.samples ? styles.get(first + k, i) : 0.0f;
        sums[k] += s * s * squares;
        styles_largest[k] = fmaxf(styles_largest[k], fabsf(s));
      }
    }
    reduce_block<false>(sums);
    reduce_block<true>(styles_largest);
    reduce_block<true>(largest);
    if (sizeof(T) < 4 && packed) power = exponent_of(largest[0]);
#pragma unroll
    for (int k = 0; k < kSamples; ++k) {
      const int64_t n = first + k;
      if (static_cast<int>(threadIdx.x) != k || n >= styles.samples) continue;
      const float of_styles = sizeof(T) < 4 ? power_of(exponent_of(styles_largest[k])) : 1.0f;
      const float d = pass.demodulate ? 1.0f / sqrtf(sums[k] + 1e-8f) : 1.0f;
      pass.scale[n * outputs + o] = d * power_of(power) * of_styles;
      if (o == 0) pass.style_power[n] = of_styles;
    }
  }
  if (packed) convert(row, styles, -1, inputs, inverse_power_of(power), pass.channels, packed);
}

}  // namespace

void pack_weights(const Tensor& weight, const Tensor& styles, DType operands, const WeightPass& pass,
                  const Context& ctx) {
  const int64_t copies = pass.style_power ? 1 : styles.shape[0];
  const Styles s{styles.as<float>(), styles.stride[0], styles.stride[1], styles.shape[0]};
  for_float_type(operands, [&](auto t) {
    using T = decltype(t);
    for_float_type(weight.dtype, [&](auto w) {
      using W = decltype(w);
      const auto kernel =
          weight.shape[2] == 1 ? modulated_conv2d_weights_kernel<T, W, 1> : modulated_conv2d_weights_kernel<T, W, 9>;
      launch(kernel, dim3(blocks(weight.shape[0] * copies, 1)), dim3(kThreads), 0, ctx, weight, s, pass);
    });
  });
}

}  // namespace modconv
}  // namespace cuda
}  // namespace pyapdraw
