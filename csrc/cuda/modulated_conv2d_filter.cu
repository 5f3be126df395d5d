// From the sums of modulated_conv2d to its results, where the matrix kernel cannot finish them itself: adds up the
// splits in their order, runs the filter of an up-sampling layer over them (separable; after the transposed
// convolution, or over samples with zeros between), then demodulation, noise, bias, activation and the store.
// A thread takes 16 bytes' worth of channels (kVector) of a run of kRun pixels down a column: the filter runs along the
// row first, and the last four such sums stay in registers, so that a sample is loaded 4 * (1 + 3 / kRun) times and not
// 16 times (four taps, the published filter). Neighbouring threads take neighbouring channels. Any other filter, and
// samples with zeros between, go tap by tap. Numerics: float32.
#include "cuda/modulated_conv2d.cuh"

namespace pyapdraw {
namespace cuda {
namespace modconv {
namespace {

constexpr int kThreads = 128, kRun = 8;

struct Taps {
  float x[ModulatedConvPlan::kMostTaps], y[ModulatedConvPlan::kMostTaps];
  int width, height, pad_x, pad_y;
};

// v += factor * the sums of kVector channels at (y, x), if there are any.
template <typename Z>
__device__ void add_sums(const FilterPass& p, int64_t n, int64_t y, int64_t x, int first, float factor,
                         float (&v)[kVector]) {
  if (y < 0 || y >= p.rows || x < 0 || x >= p.columns) return;
  const int64_t a_split = p.samples * p.rows * p.columns * p.channels;
  const Z* from = static_cast<const Z*>(p.sums) + ((n * p.rows + y) * p.columns + x) * p.channels + first;
  constexpr int kWords = kVector * sizeof(Z) / 16;
  for (int s = 0; s < p.splits; ++s, from += a_split) {
    alignas(16) Z z[kVector];
#pragma unroll
    for (int w = 0; w < kWords; ++w) reinterpret_cast<uint4*>(z)[w] = reinterpret_cast<const uint4*>(from)[w];
#pragma unroll
    for (int k = 0; k < kVector; ++k) v[k] = fmaf(factor, to_float(z[k]), v[k]);
  }
}

// The filter's value at one result, tap by tap.
template <typename Z>
__device__ void filter_at(const FilterPass& p, const Taps& t, const Pixel& at, int first, float (&v)[kVector]) {
  for (int j = 0; j < t.height; ++j) {
    const int64_t y = static_cast<int64_t>(at.y) - t.pad_y + j;
    if (y < 0 || y % p.spread) continue;
    for (int i = 0; i < t.width; ++i) {
      const int64_t x = static_cast<int64_t>(at.x) - t.pad_x + i;
      if (x >= 0 && x % p.spread == 0) add_sums<Z>(p, at.n, y / p.spread, x / p.spread, first, t.x[i] * t.y[j], v);
    }
  }
}

struct Run {
  int64_t n;
  int x, y, end, first;
};

template <typename T, typename Z>
__device__ void filter_run_of_four(const FilterPass& p, const Taps& t, const Finish& f, const Run& run) {
  float row[4][kVector] = {};  // the last four rows, filtered along the row
  for (int y = run.y - t.pad_y; y < run.end - t.pad_y + 3; ++y) {
#pragma unroll
    for (int k = 0; k < kVector; ++k)
      row[0][k] = row[1][k], row[1][k] = row[2][k], row[2][k] = row[3][k], row[3][k] = 0;
#pragma unroll
    for (int i = 0; i < 4; ++i) add_sums<Z>(p, run.n, y, run.x - t.pad_x + i, run.first, t.x[i], row[3]);
    const int result = y + t.pad_y - 3;
    if (result < run.y) continue;
    float v[kVector];
#pragma unroll
    for (int k = 0; k < kVector; ++k)
      v[k] = fmaf(t.y[3], row[3][k], fmaf(t.y[2], row[2][k], fmaf(t.y[1], row[1][k], t.y[0] * row[0][k])));
    store_finished<T>(f, Pixel{run.n, result, run.x}, run.first, v);
  }
}

template <typename T, typename Z>
PA_KERNEL void __launch_bounds__(kThreads)
    modulated_conv2d_filter_kernel(FilterPass p, Taps t, Finish f, int64_t count) {
  int64_t i = blockIdx.x * static_cast<int64_t>(kThreads) + threadIdx.x;
  if (i >= count) return;
  Run run;
  const int vectors = p.channels / kVector, runs = static_cast<int>(divide_up(p.out_rows, kRun));
  run.first = static_cast<int>(i % vectors) * kVector;
  i /= vectors;
  run.x = static_cast<int>(i % p.out_columns);
  i /= p.out_columns;
  run.y = static_cast<int>(i % runs) * kRun;
  run.n = i / runs;
  run.end = run.y + kRun < p.out_rows ? run.y + kRun : p.out_rows;
  if (p.spread == 1 && t.width == 4 && t.height == 4) return filter_run_of_four<T, Z>(p, t, f, run);
  for (int y = run.y; y < run.end; ++y) {
    float v[kVector] = {};
    filter_at<Z>(p, t, Pixel{run.n, y, run.x}, run.first, v);
    store_finished<T>(f, Pixel{run.n, y, run.x}, run.first, v);
  }
}

// Without a filter: a thread a pixel.
template <typename T>
PA_KERNEL void __launch_bounds__(kThreads) modulated_conv2d_reduce_kernel(FilterPass p, Finish f, int64_t count) {
  int64_t i = blockIdx.x * static_cast<int64_t>(kThreads) + threadIdx.x;
  if (i >= count) return;
  const int vectors = p.channels / kVector, first = static_cast<int>(i % vectors) * kVector;
  i /= vectors;
  const int x = static_cast<int>(i % p.columns), y = static_cast<int>(i / p.columns % p.rows);
  const int64_t n = i / p.columns / p.rows;
  float v[kVector] = {};
  add_sums<float>(p, n, y, x, first, 1.0f, v);
  store_finished<T>(f, Pixel{n, y, x}, first, v);
}

}  // namespace

void filter_sums(DType results, const FilterPass& pass, const ModulatedConvPlan& plan, const Finish& finish,
                 const Context& ctx) {
  Taps taps{};
  taps.width = plan.filter_w, taps.height = plan.filter_h, taps.pad_x = plan.pad_x, taps.pad_y = plan.pad_y;
  for (int i = 0; i < plan.filter_w; ++i) taps.x[i] = plan.filter_x[i];
  for (int i = 0; i < plan.filter_h; ++i) taps.y[i] = plan.filter_y[i];
  const int64_t vectors = pass.channels / kVector;
  for_float_type(results, [&](auto t) {
    using T = decltype(t);
    if (!pass.filtered) {
      const int64_t count = pass.samples * pass.rows * pass.columns * vectors;
      launch(modulated_conv2d_reduce_kernel<T>, dim3(blocks(count, kThreads)), dim3(kThreads), 0, ctx, pass, finish,
             count);
      return;
    }
    const int64_t count = pass.samples * divide_up(pass.out_rows, kRun) * pass.out_columns * vectors;
    const dim3 grid(blocks(count, kThreads));
    if (pass.narrow)
      launch(modulated_conv2d_filter_kernel<T, T>, grid, dim3(kThreads), 0, ctx, pass, taps, finish, count);
    else
      launch(modulated_conv2d_filter_kernel<T, float>, grid, dim3(kThreads), 0, ctx, pass, taps, finish, count);
  });
}

}  // namespace modconv
}  // namespace cuda
}  // namespace pyapdraw
