// Instance normalisation: the definition of csrc/cpu/instance_norm.cpp.
// Method: three passes over chunks of about kChunk elements of a group, which is a sample where channels are innermost
// and a single map otherwise. 1. sums: a block a chunk and a tile of channels; neighbouring threads take neighbouring
// channels, or pixels where a group has one channel, 16 bytes each where memory allows it. 2. affine: a block a group
// and tile adds up the chunks. 3. apply: as the first. Shared memory: two doubles a thread.
// Workspace: 16 bytes a channel and chunk, 12 a map. Numerics: core/instance_norm_math.h; sums are float64, in an order
// that depends on the size of a sample alone.
#include "core/instance_norm_math.h"
#include "cuda/dtype.cuh"
#include "cuda/kernels.h"
#include "cuda/launch.cuh"
#include "cuda/pack.cuh"
#include "cuda/workspace.cuh"

namespace pyapdraw {
namespace cuda {

namespace {

constexpr int kThreads = 256;
constexpr int64_t kChunk = 16384, kLeastPixels = 32;  // elements of a chunk, and its pixels where channels are many

// How x [N,C,H,W] is worked off. A pack is what a thread takes at a time: neighbouring channels of a pixel, or
// neighbouring pixels of a map.
struct Plan {
  int64_t groups, channels, pixels;  // channels of a group
  int64_t chunk, chunks, tiles;      // pixels of a chunk; chunks and tiles of a group
  int pack, lanes;                   // lanes: packs of a tile side by side

  Plan(const Tensor& x, const Tensor& out, int most) {
    const bool interleaved = x.shape[1] > 1 && x.stride[1] == 1 && x.stride[3] != 1;
    channels = interleaved ? x.shape[1] : 1;
    groups = x.shape[0] * x.shape[1] / channels, pixels = x.shape[2] * x.shape[3];
    const int axis = interleaved ? 1 : 3;
    pack = x.shape[axis] % most == 0 && packed_along(x, axis, 16) && packed_along(out, axis, 16) ? most : 1;
    const int64_t wide = channels / (channels > 1 ? pack : 1);
    for (lanes = 1; lanes < wide && lanes < 32;) lanes *= 2;
    tiles = (wide + lanes - 1) / lanes;
    const int64_t step = kLeastPixels;
    chunk = kChunk / channels < step ? step : kChunk / channels / step * step;
    chunks = (pixels + chunk - 1) / chunk;
  }
};

// The elements of a tensor by group, channel and pixel.
struct Places {
  int64_t each, sample, channel, y, x, width;  // each: groups of a sample
  bool flat;                                   // all pixels lie evenly

  Places(const Tensor& t, const Plan& p)
      : each(t.shape[1] / p.channels),
        sample(t.stride[0]),
        channel(t.stride[1]),
        y(t.stride[2]),
        x(t.shape[3] > 1 ? t.stride[3] : t.stride[2]),
        width(t.shape[3]) {
    flat = width == 1 || t.shape[2] == 1 || y == x * width;
  }
  __device__ int64_t group(int64_t g) const { return g / each * sample + g % each * channel; }
  __device__ int64_t pixel(int64_t p) const { return flat ? p * x : p / width * y + p % width * x; }
};

// weight or bias, or what stands for it.
struct PerChannel {
  const float* values;  // null: none
  int64_t step;
  double otherwise;

  PerChannel(const Tensor& t, double none)
      : values(t.numel() > 0 ? t.as<float>() : nullptr), step(t.stride[0]), otherwise(none) {}
  __device__ double at(int64_t c) const { return values ? static_cast<double>(values[c * step]) : otherwise; }
};

struct Sums {
  double sum, square;
};

// What a thread of pass 1 or 3 works on.
struct Part {
  int64_t group, channel, begin, end, step;  // pixels from begin to end; channel: the first of its pack
  bool there;

  // M: channels of a pack.
  template <int M>
  __device__ static Part of(const Plan& p, int per_pixel) {
    const int64_t block = blockIdx.x, chunk = block / p.tiles % p.chunks;
    const int lane = static_cast<int>(threadIdx.x) % p.lanes, row = static_cast<int>(threadIdx.x) / p.lanes;
    Part part;
    part.group = block / p.tiles / p.chunks;
    part.channel = (block % p.tiles * p.lanes + lane) * M;
    part.there = part.channel < p.channels;
    part.begin = chunk * p.chunk + row * per_pixel, part.step = kThreads / p.lanes * per_pixel;
    part.end = chunk * p.chunk + p.chunk < p.pixels ? chunk * p.chunk + p.chunk : p.pixels;
    return part;
  }
};

// The sum over the rows of the block, known to its first row.
__device__ Sums over_rows(Sums mine, int lanes) {
  __shared__ Sums shared[kThreads];
  const int t = static_cast<int>(threadIdx.x);
  __syncthreads();  // what was read before
  shared[t] = mine;
  for (int half = kThreads / 2; half >= lanes; half /= 2) {
    __syncthreads();
    if (t < half) {
      shared[t].sum += shared[t + half].sum;
      shared[t].square += shared[t + half].square;
    }
  }
  return shared[t];
}

// Elements of T in a pack N, of M channels: N or 1.
template <typename T, int N, int M>
PA_KERNEL __launch_bounds__(kThreads) void instance_norm_sums_kernel(const T* x, Places places, Plan p, Sums* sums) {
  const Part part = Part::of<M>(p, N / M);
  const T* from = x + places.group(part.group) + (part.there ? part.channel * places.channel : 0);
  double shift[M];
  Sums total[M];
  for (int k = 0; k < M; ++k) {
    shift[k] = static_cast<double>(to_float(from[k * places.channel]));
    total[k] = {0, 0};
  }
  for (int64_t i = part.begin; part.there && i < part.end; i += part.step) {
    const Pack<T, N> pack = load_pack<N>(from + places.pixel(i));
    for (int k = 0; k < N; ++k) {
      const double d = static_cast<double>(to_float(pack.v[k])) - shift[k % M];
      total[k % M].sum += d;
      total[k % M].square += d * d;
    }
  }
  const int64_t chunk = blockIdx.x / p.tiles;  // counted over all groups
#pragma unroll
  for (int k = 0; k < M; ++k) {
    const Sums all = over_rows(total[k], p.lanes);
    if (part.there && static_cast<int>(threadIdx.x) < p.lanes) sums[chunk * p.channels + part.channel + k] = all;
  }
}

// affine: centres, scales and offsets of each group. lanes: channels of a block.
template <typename T>
PA_KERNEL __launch_bounds__(kThreads) void instance_norm_affine_kernel(const T* x, Places places, Plan p,
                                                                       const Sums* sums, PerChannel weight,
                                                                       PerChannel bias, double eps, int lanes,
                                                                       float* affine) {
  const int64_t tiles = (p.channels + lanes - 1) / lanes, group = blockIdx.x / tiles;
  const int t = static_cast<int>(threadIdx.x);
  const int64_t c = blockIdx.x % tiles * lanes + t % lanes;
  Sums mine{0, 0};
  for (int64_t k = t / lanes; c < p.channels && k < p.chunks; k += kThreads / lanes) {
    const Sums one = sums[(group * p.chunks + k) * p.channels + c];
    mine.sum += one.sum;
    mine.square += one.square;
  }
  const Sums all = over_rows(mine, lanes);
  if (t >= lanes || c >= p.channels) return;
  const int64_t channel = p.channels == 1 ? group % places.each : c;
  const double shift = static_cast<double>(to_float(x[places.group(group) + c * places.channel]));
  const instance::Affine a = instance::affine(shift, all.sum, all.square, static_cast<double>(p.pixels),
                                              weight.at(channel), bias.at(channel), eps);
  float* to = affine + 3 * group * p.channels + c;
  to[0] = a.centre, to[p.channels] = a.scale, to[2 * p.channels] = a.offset;
}

template <typename T, int N, int M>
PA_KERNEL __launch_bounds__(kThreads) void instance_norm_apply_kernel(const T* x, Places places, T* out,
                                                                      Places out_places, Plan p, const float* affine) {
  const Part part = Part::of<M>(p, N / M);
  if (!part.there) return;
  const T* from = x + places.group(part.group) + part.channel * places.channel;
  T* to = out + out_places.group(part.group) + part.channel * out_places.channel;
  const float* mine = affine + 3 * part.group * p.channels + part.channel;
  float centre[M], scale[M], offset[M];
  for (int k = 0; k < M; ++k)
    centre[k] = mine[k], scale[k] = mine[p.channels + k], offset[k] = mine[2 * p.channels + k];
  for (int64_t i = part.begin; i < part.end; i += part.step) {
    Pack<T, N> pack = load_pack<N>(from + places.pixel(i));
    for (int k = 0; k < N; ++k)
      pack.v[k] = from_float<T>((to_float(pack.v[k]) - centre[k % M]) * scale[k % M] + offset[k % M]);
    store_pack(pack, to + out_places.pixel(i));
  }
}

template <typename T, int N, int M>
void run(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& out, double eps, const Plan& plan,
         const Context& ctx) {
  Workspace scratch(ctx);
  Sums* sums = scratch.take<Sums>(plan.groups * plan.chunks * plan.channels);
  float* affine = scratch.take<float>(3 * plan.groups * plan.channels);
  if (scratch.measured("instance_norm")) return;
  const Places places(x, plan), out_places(out, plan);
  const dim3 grid(blocks(plan.groups * plan.chunks * plan.tiles, 1)), threads(kThreads);
  const int lanes = plan.channels > 1 ? 32 : 1;
  const dim3 each(blocks(plan.groups * ((plan.channels + lanes - 1) / lanes), 1));
  launch(instance_norm_sums_kernel<T, N, M>, grid, threads, 0, ctx, x.as<T>(), places, plan, sums);
  launch(instance_norm_affine_kernel<T>, each, threads, 0, ctx, x.as<T>(), places, plan, sums, PerChannel(weight, 1),
         PerChannel(bias, 0), eps, lanes, affine);
  launch(instance_norm_apply_kernel<T, N, M>, grid, threads, 0, ctx, x.as<T>(), places, out.as<T>(), out_places, plan,
         affine);
}

}  // namespace

void instance_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& out, double eps,
                   const Context& ctx) {
  for_float_type(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    constexpr int N = kPack<T>;
    const Plan plan(x, out, N);
    if (plan.pack == 1)
      run<T, 1, 1>(x, weight, bias, out, eps, plan, ctx);
    else if (plan.channels > 1)
      run<T, N, N>(x, weight, bias, out, eps, plan, ctx);
    else
      run<T, N, 1>(x, weight, bias, out, eps, plan, ctx);
  });
}

}  // namespace cuda
}  // namespace pyapdraw
