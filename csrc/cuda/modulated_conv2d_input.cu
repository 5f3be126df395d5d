// The input of modulated_conv2d as its matrix kernel wants it: channels last, 16-byte steps, zeros behind the last
// channel; styles multiplied in where that costs less than weights of each sample's own; and for a down-sampling layer
// the filter, whose results only the convolution sees. Two kernels:
//   scale: channels-last aligned input, a thread 16 bytes of channels of one pixel.
//   pack:  any strides. A block turns 32 pixels of a row times 32 channels round in shared memory; its threads run
//          along channels or pixels, whichever are neighbours in memory. Filter taps are read from global memory, where
//          the first-level cache serves the overlap.
// Numerics: float32, rounded once to the operands' dtype.
#include "cuda/modulated_conv2d.cuh"

namespace pyapdraw {
namespace cuda {
namespace modconv {
namespace {

constexpr int kThreads = 256, kSide = 32;

template <typename T>
PA_KERNEL void __launch_bounds__(kThreads)
    modulated_conv2d_scale_kernel(Tensor x, Tensor scale, InputPass pass, int64_t count) {
  constexpr int kChunk = 16 / sizeof(T);
  int64_t i = blockIdx.x * static_cast<int64_t>(kThreads) + threadIdx.x;
  if (i >= count) return;
  T* to = static_cast<T*>(pass.packed) + i * kChunk;
  const int c = static_cast<int>(i % (pass.channels / kChunk)) * kChunk;
  i /= pass.channels / kChunk;
  const int64_t column = i % pass.columns, row = i / pass.columns % pass.rows, n = i / pass.columns / pass.rows;
  const T* from = x.as<T>() + n * x.stride[0] + row * x.stride[2] + column * x.stride[3] + c;
  alignas(16) T v[kChunk];
  *reinterpret_cast<uint4*>(v) = *reinterpret_cast<const uint4*>(from);
  const float* s = scale.as<float>() + n * scale.stride[0] + c * scale.stride[1];
  const float power = pass.scale_power ? 1.0f / pass.scale_power[n] : 1.0f;  // a power of two: exact
#pragma unroll
  for (int k = 0; k < kChunk; ++k) v[k] = from_float<T>(to_float(v[k]) * (s[k * scale.stride[1]] * power));
  *reinterpret_cast<uint4*>(to) = *reinterpret_cast<const uint4*>(v);
}

struct Filter {
  float x[ModulatedConvPlan::kMostTaps], y[ModulatedConvPlan::kMostTaps];
  int width, height, pad_x, pad_y;
};

// Channel c of result (row, column) of sample n, before styles.
template <typename T>
__device__ float input_value(const Tensor& x, const Filter& f, const InputPass& pass, const Pixel& at, int64_t c) {
  const T* from = x.as<T>() + at.n * x.stride[0] + c * x.stride[1];
  if (!pass.filtered) return to_float(from[at.y * x.stride[2] + at.x * x.stride[3]]);
  float sum = 0;
  for (int j = 0; j < f.height; ++j) {
    const int64_t y = static_cast<int64_t>(at.y) * pass.step + j - f.pad_y;
    if (y < 0 || y >= x.shape[2]) continue;
    float along = 0;
    for (int i = 0; i < f.width; ++i) {
      const int64_t column = static_cast<int64_t>(at.x) * pass.step + i - f.pad_x;
      if (column >= 0 && column < x.shape[3]) along += f.x[i] * to_float(from[y * x.stride[2] + column * x.stride[3]]);
    }
    sum += f.y[j] * along;
  }
  return sum;
}

template <typename From, typename T>
PA_KERNEL void __launch_bounds__(kThreads)
    modulated_conv2d_pack_kernel(Tensor x, Tensor scale, Filter filter, InputPass pass, bool along_pixels) {
  __shared__ float tile[kSide][kSide + 1];  // [pixel][channel]
  const int64_t tiles_c = divide_up(pass.channels, kSide), tiles_x = divide_up(pass.columns, kSide);
  int64_t block = blockIdx.x;
  const int64_t first_c = block % tiles_c * kSide;
  block /= tiles_c;
  const int64_t first_x = block % tiles_x * kSide;
  block /= tiles_x;
  const int64_t n = block / pass.rows;
  const int row = static_cast<int>(block % pass.rows);
  const float power = pass.scale_power ? 1.0f / pass.scale_power[n] : 1.0f;
  for (int i = threadIdx.x; i < kSide * kSide; i += kThreads) {
    const int p = along_pixels ? i % kSide : i / kSide, c = along_pixels ? i / kSide : i % kSide;
    float v = 0;
    if (first_x + p < pass.columns && first_c + c < x.shape[1]) {
      v = input_value<From>(x, filter, pass, Pixel{n, row, static_cast<int>(first_x) + p}, first_c + c);
      if (pass.scaled) v *= scale.as<float>()[n * scale.stride[0] + (first_c + c) * scale.stride[1]] * power;
    }
    tile[p][c] = v;
  }
  __syncthreads();
  T* to = static_cast<T*>(pass.packed) + ((n * pass.rows + row) * pass.columns + first_x) * pass.channels + first_c;
  for (int i = threadIdx.x; i < kSide * kSide; i += kThreads) {
    const int p = i / kSide, c = i % kSide;
    if (first_x + p < pass.columns && first_c + c < pass.channels)
      to[static_cast<int64_t>(p) * pass.channels + c] = from_float<T>(tile[p][c]);
  }
}

template <typename From, typename T>
void launch_pack(const Tensor& x, const Tensor& scale, const Filter& filter, const InputPass& pass,
                 const Context& ctx) {
  const int64_t tiles = x.shape[0] * pass.rows * divide_up(pass.columns, kSide) * divide_up(pass.channels, kSide);
  const bool along_pixels = x.shape[1] == 1 || x.stride[1] != 1;
  launch(modulated_conv2d_pack_kernel<From, T>, dim3(blocks(tiles, 1)), dim3(kThreads), 0, ctx, x, scale, filter, pass,
         along_pixels);
}

}  // namespace

bool aligned(const Tensor& image) {
  const int64_t chunk = 16 / item_bytes(image.dtype);
  bool ok = (image.stride[1] == 1 || image.shape[1] == 1) && image.shape[1] % chunk == 0;
  for (int axis : {0, 2, 3}) ok = ok && (image.shape[axis] == 1 || image.stride[axis] % chunk == 0);
  return ok && reinterpret_cast<uintptr_t>(image.data) % 16 == 0;
}

void pack_input(const Tensor& x, const Tensor& scale, const ModulatedConvPlan& plan, const InputPass& pass,
                const Context& ctx) {
  Filter filter{};
  filter.width = plan.filter_w, filter.height = plan.filter_h, filter.pad_x = plan.pad_x, filter.pad_y = plan.pad_y;
  for (int i = 0; i < plan.filter_w; ++i) filter.x[i] = plan.filter_x[i];
  for (int i = 0; i < plan.filter_h; ++i) filter.y[i] = plan.filter_y[i];
  for_float_type(x.dtype, [&](auto t) {
    using T = decltype(t);
    if (pass.dtype != x.dtype) return launch_pack<T, float>(x, scale, filter, pass, ctx);
    if (pass.filtered || !pass.scaled || !aligned(x)) return launch_pack<T, T>(x, scale, filter, pass, ctx);
    const int64_t count =
        x.shape[0] * pass.rows * pass.columns * pass.channels / (16 / static_cast<int64_t>(sizeof(T)));
    launch(modulated_conv2d_scale_kernel<T>, dim3(blocks(count, kThreads)), dim3(kThreads), 0, ctx, x, scale, pass,
           count);
  });
}

}  // namespace modconv
}  // namespace cuda
}  // namespace pyapdraw
