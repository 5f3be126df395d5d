// Up- or downsampling by a filter: StyleGAN2's upfirdn2d.
//   out[oy,ox] = gain * sum_k,l w[k,l] up(x)[oy down + k - top, ox down + l - left],  up(x) = x with zeros between
// Method: a block computes a tile of outputs: rows x columns x channels. Threads run along x in planes, along channels
// where those are innermost in memory, so that neighbours read and write neighbours in either layout. The samples that
// the tile needs, with their halo, go to shared memory once (16 bytes a load where rows allow it); inserted zeros are
// never stored nor multiplied, padded ones are zeros of the tile. A filter that is a product of two rows (1-D ones are;
// every block finds out about small matrices) takes two passes through shared memory, others sum over all taps.
// Shared memory: the taps of a matrix, the tile with its halo, and the filtered rows; at most 64 KB
// (upfirdn2d_plan.cuh). Numerics: float32 sums (float64 for float64), x before y; a sum does not depend on layout or
// tile.
#include "cuda/dtype.cuh"
#include "cuda/kernels.h"
#include "cuda/launch.cuh"
#include "cuda/upfirdn2d_plan.cuh"

namespace pyapdraw {
namespace cuda {
namespace {

using fir::Plan;

// Where a tile begins along one axis, and what its outputs take.
struct Start {
  int64_t output, source;  // first output, first source sample in shared memory
  int skip;                // from the first output's first tap to the first source sample, in the upsampled image
  int lead;                // samples in front of that one, loaded for alignment

  __device__ Start(const fir::Axis& a, int64_t first, int align) : output(first) {
    const int64_t at = first * a.down - a.before;
    const int64_t up = a.up, below = at >= 0 ? at / up : -((up - 1 - at) / up);  // floor
    source = below * up < at ? below + 1 : below;
    skip = static_cast<int>(source * up - at);
    lead = static_cast<int>(((source % align) + align) % align);
    source -= lead;
  }

  // First sample (in the tile) and first tap of output j of the tile.
  __device__ int sample(int j, int up, int down) const { return (j * down - skip + up - 1) / up; }
  __device__ int tap(int j, int up, int down) const { return sample(j, up, down) * up + skip - j * down; }
};

// Whether a correlating filter is the product of its pivot's row and column, to the rounding of float32; the pivot is
// its largest tap.
__device__ bool is_product(const float* taps, int width, int height, int* px, int* py) {
  *px = 0, *py = 0;
  for (int j = 0; j < height; ++j)
    for (int i = 0; i < width; ++i)
      if (fabsf(taps[j * width + i]) > fabsf(taps[*py * width + *px])) *px = i, *py = j;
  const double pivot = taps[*py * width + *px], most = 2.5e-7 * pivot * pivot;
  for (int j = 0; j < height; ++j)
    for (int i = 0; i < width; ++i) {
      const double off = static_cast<double>(taps[j * width + i]) * pivot -
                         static_cast<double>(taps[*py * width + i]) * static_cast<double>(taps[j * width + *px]);
      if (!(off <= most && off >= -most)) return false;
    }
  return true;
}

// Fills the taps of a matrix, or the two rows; true if the rows are to be used.
template <typename W>
__device__ bool prepare_filter(const Tensor& filter, const Plan& p, float* taps, W* along_x, W* along_y) {
  const int tid = threadIdx.x, width = p.x.taps, height = p.y.taps;
  const auto turned = [&](int k, int n) { return p.flip ? k : n - 1 - k; };
  if (p.kind != fir::kMatrix) {  // none, or one row for both axes
    for (int k = tid; k < width; k += fir::kThreads) {
      const W tap = p.kind == fir::kNone ? W(1) : W(filter.as<float>()[turned(k, width) * filter.stride[0]]);
      along_x[k] = static_cast<W>(p.gain) * tap;
      along_y[k] = tap;
    }
    __syncthreads();
    return true;
  }
  for (int i = tid; i < width * height; i += fir::kThreads) {
    const int k = i % width, j = i / width;
    taps[i] = filter.as<float>()[turned(j, height) * filter.stride[0] + turned(k, width) * filter.stride[1]];
  }
  __syncthreads();
  int px = 0, py = 0;
  if (!p.may_be_product || !is_product(taps, width, height, &px, &py)) return false;
  const W pivot = W(taps[py * width + px]);
  for (int k = tid; k < width; k += fir::kThreads) along_x[k] = static_cast<W>(p.gain) * W(taps[py * width + k]);
  for (int j = tid; j < height; j += fir::kThreads) along_y[j] = pivot != W(0) ? W(taps[j * width + px]) / pivot : W(1);
  __syncthreads();
  return true;
}

// One tile: channels [channel, channel + lanes) of image n.
template <typename T, int Up, int Down>
struct Tile {
  const Plan& p;
  const Start x, y;
  int64_t n, channel;

  __device__ int up_x() const { return Up ? Up : p.x.up; }
  __device__ int up_y() const { return Up ? Up : p.y.up; }
  __device__ int down_x() const { return Down ? Down : p.x.down; }
  __device__ int down_y() const { return Down ? Down : p.y.down; }

  // Samples and their halo; what lies outside the image is zero. An item is a pack of samples along x or channels.
  template <int N>
  __device__ void load(const Tensor& from, T* tile, bool along_x) const {
    const int lanes = 1 << p.log_lanes, packs_x = along_x ? p.x.span / N : p.x.span,
              packs_c = along_x ? lanes : lanes / N;
    const T* image = from.as<T>() + n * from.stride[0];
    for (int i = threadIdx.x; i < p.y.span * packs_x * packs_c; i += fir::kThreads) {
      const int c = i % packs_c * (along_x ? 1 : N), pixel = i / packs_c;
      const int column = pixel % packs_x * (along_x ? N : 1), row = pixel / packs_x;
      const int64_t sx = x.source + column, sy = y.source + row, sc = channel + c;
      T* to = tile + (row * p.x.span + column) * lanes + c;
      const bool there = sy >= 0 && sy < p.y.size && sc < p.channels && sx >= 0 && sx < p.x.size;
      const bool whole = there && (along_x ? sx + N <= p.x.size : sc + N <= p.channels);
      const T* at = image + sc * from.stride[1] + sy * from.stride[2] + sx * from.stride[3];
      Pack<T, N> pack;
      if (whole) {
        pack = load_pack<N>(at);
      } else {
        for (int k = 0; k < N; ++k) {
          const bool inside = there && (along_x ? sx + k < p.x.size : sc + k < p.channels);
          pack.v[k] = inside ? at[along_x ? k * from.stride[3] : k * from.stride[1]] : narrow<T>(Wide<T>(0));
        }
      }
      for (int k = 0; k < N; ++k) to[k] = pack.v[k];  // a row of x has lanes 1, or N lies within the lanes
    }
  }

  // rows[r][ox][c]: every row of the tile filtered along x.
  __device__ void filter_rows(const T* tile, const Wide<T>* along_x, Wide<T>* rows) const {
    const int width = 1 << p.x.log_tile, lanes = 1 << p.log_lanes;
    for (int i = threadIdx.x; i < p.y.span * width * lanes; i += fir::kThreads) {
      const int c = i & (lanes - 1), j = i >> p.log_lanes & (width - 1), row = i >> (p.log_lanes + p.x.log_tile);
      const T* from = tile + (row * p.x.span + x.lead + x.sample(j, up_x(), down_x())) * lanes + c;
      Wide<T> sum = 0;
      for (int k = x.tap(j, up_x(), down_x()); k < p.x.taps; k += up_x(), from += lanes)
        sum += along_x[k] * widen(*from);
      rows[i] = sum;
    }
  }

  // Output (j, r) of the tile from the filtered rows.
  __device__ Wide<T> column_sum(const Wide<T>* rows, const Wide<T>* along_y, int j, int r, int c) const {
    const int step = 1 << (p.x.log_tile + p.log_lanes);
    const Wide<T>* from = rows + y.sample(r, up_y(), down_y()) * step + (j << p.log_lanes) + c;
    Wide<T> sum = 0;
    for (int k = y.tap(r, up_y(), down_y()); k < p.y.taps; k += up_y(), from += step) sum += along_y[k] * *from;
    return sum;
  }

  // The same from all taps of a matrix.
  __device__ Wide<T> matrix_sum(const T* tile, const float* taps, int j, int r, int c) const {
    const int lanes = 1 << p.log_lanes, first = x.tap(j, up_x(), down_x());
    const T* row =
        tile + (y.sample(r, up_y(), down_y()) * p.x.span + x.lead + x.sample(j, up_x(), down_x())) * lanes + c;
    Wide<T> sum = 0;
    for (int l = y.tap(r, up_y(), down_y()); l < p.y.taps; l += up_y(), row += p.x.span * lanes) {
      const T* from = row;
      for (int k = first; k < p.x.taps; k += up_x(), from += lanes)
        sum += static_cast<Wide<T>>(taps[l * p.x.taps + k]) * widen(*from);
    }
    return static_cast<Wide<T>>(p.gain) * sum;
  }

  template <typename F>
  __device__ void store(const Tensor& out, F&& value) const {
    const int width = 1 << p.x.log_tile, height = 1 << p.y.log_tile, lanes = 1 << p.log_lanes;
    T* image = out.as<T>() + n * out.stride[0];
    for (int i = threadIdx.x; i < height * width * lanes; i += fir::kThreads) {
      const int c = i & (lanes - 1), j = i >> p.log_lanes & (width - 1), r = i >> (p.log_lanes + p.x.log_tile);
      const int64_t ox = x.output + j, oy = y.output + r, oc = channel + c;
      if (ox < out.shape[3] && oy < out.shape[2] && oc < p.channels)
        image[oc * out.stride[1] + oy * out.stride[2] + ox * out.stride[3]] = narrow<T>(value(j, r, c));
    }
  }
};

template <typename T, int Up, int Down>
PA_KERNEL void __launch_bounds__(fir::kThreads) upfirdn2d_kernel(Tensor x, Tensor filter, Tensor out, Plan p) {
  PA_SHARED(uint4, shared);  // aligned for whatever lies in it
  using W = Wide<T>;
  __shared__ W along_x[fir::kMostTaps], along_y[fir::kMostTaps];
  float* taps = reinterpret_cast<float*>(shared);
  W* rows = reinterpret_cast<W*>(reinterpret_cast<char*>(shared) + p.rows_at);
  T* samples = reinterpret_cast<T*>(reinterpret_cast<char*>(shared) + p.samples_at);
  const bool product = prepare_filter(filter, p, taps, along_x, along_y);
  for (int64_t i = blockIdx.x; i < p.tiles; i += gridDim.x) {
    const int64_t column = i % p.x.tiles, above = i / p.x.tiles, row = above % p.y.tiles, plane = above / p.y.tiles;
    const int64_t group = plane % p.groups;
    const Tile<T, Up, Down> tile{p, Start(p.x, column << p.x.log_tile, p.pack == fir::kAlongX ? kPack<T> : 1),
                                 Start(p.y, row << p.y.log_tile, 1), plane / p.groups, group << p.log_lanes};
    if (p.pack == fir::kSingle)
      tile.template load<1>(x, samples, true);
    else
      tile.template load<kPack<T>>(x, samples, p.pack == fir::kAlongX);
    __syncthreads();
    if (product) {
      tile.filter_rows(samples, along_x, rows);
      __syncthreads();
      tile.store(out, [&](int j, int r, int c) { return tile.column_sum(rows, along_y, j, r, c); });
    } else {
      tile.store(out, [&](int j, int r, int c) { return tile.matrix_sum(samples, taps, j, r, c); });
    }
    __syncthreads();  // the next tile overwrites
  }
}

template <typename T>
void run(const Tensor& x, const Tensor& filter, const Tensor& out, const Resampling& how, const Context& ctx) {
  const Plan p = fir::plan<T>(x, filter, out, how);
  const auto start = [&](auto kernel) {
    if (p.shared_bytes > fir::kUsualShared)
      check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, p.shared_bytes), "upfirdn2d");
    launch(kernel, dim3(blocks(p.tiles, 1)), dim3(fir::kThreads), static_cast<size_t>(p.shared_bytes), ctx, x, filter,
           out, p);
  };
  const bool same = how.up[0] == how.up[1] && how.down[0] == how.down[1];
  if (same && how.up[0] == 1 && how.down[0] == 1)
    start(upfirdn2d_kernel<T, 1, 1>);
  else if (same && how.up[0] == 2 && how.down[0] == 1)
    start(upfirdn2d_kernel<T, 2, 1>);
  else if (same && how.up[0] == 1 && how.down[0] == 2)
    start(upfirdn2d_kernel<T, 1, 2>);
  else
    start(upfirdn2d_kernel<T, 0, 0>);
}

}  // namespace

void upfirdn2d(const Tensor& x, const Tensor& filter, const Tensor& out, const Resampling& how, const Context& ctx) {
  for_wide_float_type(x.dtype, [&](auto zero) { run<decltype(zero)>(x, filter, out, how, ctx); });
}

}  // namespace cuda
}  // namespace pyapdraw
