// Fusion of six local drawings by the smallest or largest value [APD19, section 4.1; official partCombiner2_bg].
// Method: one launch each way. Forward: a thread takes 16 bytes of a frame row (all its channels), or one pixel where
// rows do not allow that; where the four parts of the sample lie is found once a block, so nothing is padded or
// copied, and of hair and background only what is visible is read. Backward: the first blocks take the frame in the
// same way, for hair and background; the others take pixels of the parts, which look up theirs in the frame: every
// gradient is a select, there are no atomics. Shared memory: 256 bytes, the places of the parts.
// Numerics: the output is one of the inputs, bit for bit, or the extension; NaN wins.
#include "core/fuse_regions_math.h"
#include "cuda/dtype.cuh"
#include "cuda/kernels.h"
#include "cuda/launch.cuh"
#include "cuda/pack.cuh"

namespace pyapdraw {
namespace cuda {
namespace {

constexpr int kColumns = 32, kRows = 8, kThreads = kColumns * kRows;  // packs of a row, rows of a block

// A part of one sample, and where it begins in the frame. In shared memory: four of them would fill the registers.
struct PlacedPart {
  const void* data;
  int64_t x, y, width, height, step_c, step_y, step_x;

  template <typename T>
  __device__ void place(const Tensor& part, const Tensor& centres, int64_t n, int i) {
    data = part.as<T>() + n * part.stride[0];
    x = fuse::part_start(fuse::centre_at(centres, n, i, 0), part.shape[3]);
    y = fuse::part_start(fuse::centre_at(centres, n, i, 1), part.shape[2]);
    width = part.shape[3], height = part.shape[2];
    step_c = part.stride[1], step_y = part.stride[2], step_x = part.stride[3];
  }

  // Bit k: whether pixel (column + k, row) of the frame lies in it, k < n.
  __device__ unsigned under(int64_t row, int64_t column, int n) const {
    const int64_t first = x - column, last = first + width;  // as places k
    if (row < y || row >= y + height || first >= n || last <= 0) return 0;
    const unsigned below = first > 0 ? (1u << static_cast<int>(first)) - 1 : 0;
    return (last < n ? (1u << static_cast<int>(last)) - 1 : (1u << n) - 1) & ~below;
  }
};

template <typename T>
__device__ T* row_of(const Tensor& t, int64_t n, int64_t c, int64_t y) {
  return t.as<T>() + n * t.stride[0] + c * t.stride[1] + y * t.stride[2];
}

__device__ inline float to_weight(uint8_t x) { return x != 0; }
template <typename M>
__device__ float to_weight(M x) {
  return to_float(x);
}

template <int N, typename M>
__device__ void load_weights(const M* row, int64_t step, int64_t x, int count, float (&w)[N]) {
  constexpr int most = kPack<M> < N ? kPack<M> : N;  // of one load
#pragma unroll
  for (int i = 0; i < N; i += most) {
    M part[most] = {};
    const int left = count - i;
    load_row<most>(row, step, x + i, left < most ? (left < 0 ? 0 : left) : most, part);
    for (int k = 0; k < most; ++k) w[i + k] = to_weight(part[k]);
  }
}

// Weights of channel c of a mask, or 1 and 0 of one of bytes.
template <int N>
__device__ void mask_row(const Tensor& mask, int64_t n, int64_t c, int64_t y, int64_t x, int count, float (&w)[N]) {
  const int64_t step = mask.stride[3];
  switch (mask.dtype) {
    case DType::f32: return load_weights(row_of<float>(mask, n, c, y), step, x, count, w);
    case DType::f16: return load_weights(row_of<__half>(mask, n, c, y), step, x, count, w);
    case DType::bf16: return load_weights(row_of<__nv_bfloat16>(mask, n, c, y), step, x, count, w);
    default: return load_weights(row_of<uint8_t>(mask, n, c, y), step, x, count, w);
  }
}

// What one thread sees of a frame row: N pixels from x on, of which `count` are there. Bit k of hair and background:
// whether the image counts at pixel k.
template <int N>
struct Span {
  int64_t n, y, x;
  int count;
  unsigned hair, background;

  __device__ void look(const PlacedPart* parts, const Tensor& mask, bool soft) {
    hair = background = (1u << N) - 1;
    if (soft) return;
    float person[N];
    mask_row(mask, n, 0, y, x, count, person);
    for (int k = 0; k < N; ++k) (person[k] >= 0.5f ? background : hair) &= ~(1u << k);
#pragma unroll 1
    for (int p = 0; p < 4; ++p) hair &= ~parts[p].under(y, x, N);
  }
  __device__ unsigned visible(int k) const {
    return (hair >> k & 1 ? fuse::kHairVisible : 0) | (background >> k & 1 ? fuse::kBackgroundVisible : 0);
  }
};

// Pixels of a part under the span, `beyond` outside of it.
template <int N, typename T>
__device__ void part_values(const PlacedPart& part, const Span<N>& s, int64_t c, T beyond, T (&v)[N]) {
  const unsigned under = part.under(s.y, s.x, s.count);
  for (int k = 0; k < N; ++k) v[k] = beyond;
  if (under == 0) return;
  const T* from =
      static_cast<const T*>(part.data) + c * part.step_c + (s.y - part.y) * part.step_y + (s.x - part.x) * part.step_x;
  for (int k = 0; k < N; ++k)
    if (under >> k & 1) v[k] = from[k * part.step_x];
}

// Hair or background under the span: `beyond` where it does not count, and blended by channel c_weight of a soft mask.
template <int N, typename T>
__device__ void large_values(const Tensor& image, const Span<N>& s, int64_t c, unsigned seen, const Tensor& mask,
                             bool soft, int c_weight, float beyond, T (&v)[N]) {
  float weights[N];
  if (seen) load_row<N>(row_of<T>(image, s.n, c, s.y), image.stride[3], s.x, s.count, v);
  if (soft) mask_row(mask, s.n, c_weight, s.y, s.x, s.count, weights);
  for (int k = 0; k < N; ++k) {
    if (!(seen >> k & 1) || k >= s.count)
      v[k] = from_float<T>(beyond);
    else if (soft)
      v[k] = from_float<T>(fuse::blend(to_float(v[k]), weights[k], beyond));
  }
}

struct Images {
  FaceParts parts;
  Tensor centres, hair, background, mask, out, winners;
  FuseMode mode;
  bool soft;

  // f(p, values) with each of the six images under the span, in their order.
  template <typename T, int N, typename F>
  __device__ void each(const PlacedPart* parts, const Span<N>& s, int64_t c, const F& f) const {
    const float beyond = fuse::extension(mode);
    T v[N];
#pragma unroll 1
    for (int p = 0; p < 4; ++p) {
      part_values(parts[p], s, c, from_float<T>(beyond), v);
      f(p, v);
    }
    large_values(hair, s, c, s.hair, mask, soft, 0, beyond, v);
    f(fuse::kHair, v);
    large_values(background, s, c, s.background, mask, soft, 1, beyond, v);
    f(fuse::kBackground, v);
  }
};

template <typename T, int N, bool Winners>
PA_KERNEL void __launch_bounds__(kThreads) fuse_regions_kernel(Images images) {
  __shared__ PlacedPart parts[4];
  const Tensor &out = images.out, &winners = images.winners;
  Span<N> s;
  s.n = blockIdx.z;
#pragma unroll
  for (int p = 0; p < 4; ++p)
    if (static_cast<int>(threadIdx.y) == p && threadIdx.x == 0)
      parts[p].template place<T>(images.parts.part[p], images.centres, s.n, p);
  __syncthreads();
  s.x = (static_cast<int64_t>(blockIdx.x) * kColumns + threadIdx.x) * N;
  const int64_t left = out.shape[3] - s.x;
  s.count = left < N ? static_cast<int>(left) : N;
  if (left <= 0) return;
  for (s.y = static_cast<int64_t>(blockIdx.y) * kRows + threadIdx.y; s.y < out.shape[2];
       s.y += static_cast<int64_t>(gridDim.y) * kRows) {
    s.look(parts, images.mask, images.soft);
#pragma unroll 1  // more at a time would only take registers: there is one channel, as a rule
    for (int64_t c = 0; c < out.shape[1]; ++c) {
      T least[N];
      images.template each<T>(parts, s, c, [&](int p, const T(&v)[N]) {
        for (int k = 0; k < N; ++k)
          if (p == 0 || fuse::replaces(to_float(v[k]), to_float(least[k]), images.mode)) least[k] = v[k];
      });
      store_row(row_of<T>(out, s.n, c, s.y), out.stride[3], s.x, s.count, least);
      if constexpr (Winners) {
        uint8_t won[N];
        for (int k = 0; k < N; ++k) won[k] = static_cast<uint8_t>(s.visible(k));
        // Read again, from the cache: that takes fewer registers than to keep six images.
        images.template each<T>(parts, s, c, [&](int p, const T(&v)[N]) {
          for (int k = 0; k < N; ++k)
            if (fuse::equals(to_float(v[k]), to_float(least[k]))) won[k] = static_cast<uint8_t>(won[k] | 1u << p);
        });
        store_row(row_of<uint8_t>(winners, s.n, c, s.y), winners.stride[3], s.x, s.count, won);
      }
    }
  }
}

struct Gradients {
  Tensor grad, winners, centres, weights, hair, background;
  FaceParts parts;
  bool soft;
  int64_t columns, rows;  // blocks across and down a frame
  int64_t end[5];         // of the frame's blocks, and of each part's
};

// N pixels of a frame row: the gradients of hair and background.
template <typename T, int N>
__device__ void backward_frame(const Gradients& g, int64_t block) {
  const int64_t x = (block % g.columns * kColumns + threadIdx.x) * N, above = block / g.columns;
  const int64_t y = above % g.rows * kRows + threadIdx.y, plane = above / g.rows;
  const int64_t n = plane / g.grad.shape[1], c = plane % g.grad.shape[1], left = g.grad.shape[3] - x;
  if (left <= 0 || y >= g.grad.shape[2]) return;
  const int count = left < N ? static_cast<int>(left) : N;
  T grad[N], hair[N], background[N];
  uint8_t won[N];
  float weights[2][N];
  load_row<N>(row_of<T>(g.grad, n, c, y), g.grad.stride[3], x, count, grad);
  load_row<N>(row_of<uint8_t>(g.winners, n, c, y), g.winners.stride[3], x, count, won);
  for (int i = 0; g.soft && i < 2; ++i) mask_row(g.weights, n, i, y, x, count, weights[i]);
  for (int k = 0; k < N; ++k) {
    if (k >= count) continue;
    float to_hair = won[k] & fuse::kHairVisible ? fuse::share(won[k], fuse::kHair) : 0.0f;
    float to_background = won[k] & fuse::kBackgroundVisible ? fuse::share(won[k], fuse::kBackground) : 0.0f;
    if (g.soft) to_hair *= weights[0][k], to_background *= weights[1][k];
    hair[k] = from_float<T>(to_hair != 0.0f ? to_float(grad[k]) * to_hair : 0.0f);
    background[k] = from_float<T>(to_background != 0.0f ? to_float(grad[k]) * to_background : 0.0f);
  }
  store_row(row_of<T>(g.hair, n, c, y), g.hair.stride[3], x, count, hair);
  store_row(row_of<T>(g.background, n, c, y), g.background.stride[3], x, count, background);
}

// Pixel i of a part.
template <typename T>
__device__ void backward_part(const Gradients& g, int part, const Tensor& to, int64_t i) {
  const int64_t rows = to.shape[2], columns = to.shape[3];
  if (i >= to.shape[0] * to.shape[1] * rows * columns) return;
  const int64_t column = i % columns, above = i / columns, row = above % rows, plane = above / rows;
  const int64_t c = plane % to.shape[1], n = plane / to.shape[1];
  const int64_t x = column + fuse::part_start(fuse::centre_at(g.centres, n, part, 0), columns);
  const int64_t y = row + fuse::part_start(fuse::centre_at(g.centres, n, part, 1), rows);
  float value = 0.0f;
  if (x >= 0 && x < g.grad.shape[3] && y >= 0 && y < g.grad.shape[2]) {
    const float share = fuse::share(row_of<uint8_t>(g.winners, n, c, y)[x * g.winners.stride[3]], part);
    if (share != 0.0f) value = to_float(row_of<T>(g.grad, n, c, y)[x * g.grad.stride[3]]) * share;
  }
  row_of<T>(to, n, c, row)[column * to.stride[3]] = from_float<T>(value);
}

template <typename T, int N>
PA_KERNEL void __launch_bounds__(kThreads) fuse_regions_backward_kernel(Gradients g) {
  for (int64_t block = blockIdx.x; block < g.end[4]; block += gridDim.x) {
    if (block < g.end[0]) {
      backward_frame<T, N>(g, block);
      continue;
    }
#pragma unroll
    for (int p = 0; p < 4; ++p)
      if (block >= g.end[p] && block < g.end[p + 1])
        backward_part<T>(g, p, g.parts.part[p], (block - g.end[p]) * kThreads + threadIdx.y * kColumns + threadIdx.x);
  }
}

// Whether rows can be taken in packs of N elements of the frame.
bool in_packs(int n, std::initializer_list<const Tensor*> tensors) {
  for (const Tensor* t : tensors) {
    const int64_t bytes = n * item_bytes(t->dtype);
    if (!packed_along(*t, 3, bytes < 16 ? bytes : 16)) return false;
  }
  return true;
}

// The same images without the first samples.
Images from_sample(Images images, int64_t first) {
  FaceParts& parts = images.parts;
  for (Tensor* t : {&parts.part[0], &parts.part[1], &parts.part[2], &parts.part[3], &images.centres, &images.hair,
                    &images.background, &images.mask, &images.out, &images.winners})
    t->data = static_cast<char*>(t->data) + first * t->stride[0] * item_bytes(t->dtype);
  return images;
}

}  // namespace

void fuse_regions(const FaceParts& parts, const Tensor& centres, const Tensor& hair, const Tensor& background,
                  const Tensor& mask, const Tensor& out, const Tensor& winners, FuseMode mode, const Context& ctx) {
  constexpr int64_t kMostSamples = 65535;  // of a launch
  const Images images{parts, centres, hair, background, mask, out, winners, mode, mask.shape[1] == 2};
  for_float_type(out.dtype, [&](auto zero) {
    using T = decltype(zero);
    constexpr int N = kPack<T>;
    const bool with = winners.numel() > 0;
    const bool packs = in_packs(N, {&hair, &background, &mask, &out}) && (!with || in_packs(N, {&winners}));
    const auto kernel = packs ? (with ? fuse_regions_kernel<T, N, true> : fuse_regions_kernel<T, N, false>)
                              : (with ? fuse_regions_kernel<T, 1, true> : fuse_regions_kernel<T, 1, false>);
    const unsigned across = blocks(out.shape[3], kColumns * (packs ? N : 1)), down = blocks(out.shape[2], kRows, 65535);
    for (int64_t first = 0; first < out.shape[0]; first += kMostSamples)
      launch(kernel, dim3(across, down, blocks(out.shape[0] - first, 1, kMostSamples)), dim3(kColumns, kRows), 0, ctx,
             from_sample(images, first));
  });
}

void fuse_regions_backward(const Tensor& grad, const Tensor& winners, const Tensor& centres, const Tensor& weights,
                           const FaceParts& grad_parts, const Tensor& grad_hair, const Tensor& grad_background,
                           const Context& ctx) {
  Gradients g{grad, winners, centres, weights, grad_hair, grad_background, grad_parts, weights.numel() > 0, 0, 0, {}};
  for_float_type(grad.dtype, [&](auto zero) {
    using T = decltype(zero);
    constexpr int N = kPack<T>;
    const bool packs =
        in_packs(N, {&grad, &winners, &grad_hair, &grad_background}) && (!g.soft || in_packs(N, {&weights}));
    g.columns = blocks(grad.shape[3], kColumns * (packs ? N : 1));
    g.rows = blocks(grad.shape[2], kRows);
    g.end[0] = grad.numel() > 0 ? g.columns * g.rows * grad.shape[0] * grad.shape[1] : 0;
    for (int p = 0; p < 4; ++p) g.end[p + 1] = g.end[p] + (grad_parts.part[p].numel() + kThreads - 1) / kThreads;
    if (g.end[4] == 0) return;
    const dim3 grid(blocks(g.end[4], 1)), block(kColumns, kRows);
    if (packs)
      launch(fuse_regions_backward_kernel<T, N>, grid, block, 0, ctx, g);
    else
      launch(fuse_regions_backward_kernel<T, 1>, grid, block, 0, ctx, g);
  });
}

}  // namespace cuda
}  // namespace pyapdraw
