// Fusion of six local drawings by the smallest or largest value [APD19, section 4.1; official partCombiner2_bg].
// Method: one launch each way. Forward: a thread takes 16 bytes of a frame row (all its channels), or one pixel where
// rows do not allow that; where the four parts of the sample begin is found once a block, so nothing is padded or
// copied, and of hair and background only what is visible is read. Backward: the first blocks take the frame in the
// same way, for hair and background; the others take pixels of the parts, which look up theirs in the frame: every
// gradient is a select, there are no atomics. Shared memory: 64 bytes, the places of the parts.
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

// First frame coordinates of the parts of one sample.
struct Places {
  int64_t x[4], y[4];

  // Eight threads of a block; barriers are the caller's.
  __device__ void find(const FaceParts& parts, const Tensor& centres, int64_t n, int thread) {
    if (thread >= 8) return;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (thread == 2 * i) x[i] = fuse::part_start(fuse::centre_at(centres, n, i, 0), parts.part[i].shape[3]);
      if (thread == 2 * i + 1) y[i] = fuse::part_start(fuse::centre_at(centres, n, i, 1), parts.part[i].shape[2]);
    }
  }
};

template <typename T>
__device__ T* row_of(const Tensor& t, int64_t n, int64_t c, int64_t y) {
  return t.as<T>() + n * t.stride[0] + c * t.stride[1] + y * t.stride[2];
}

// N elements of a row from x on, of which `count` are there.
template <int N, typename T>
__device__ void load_row(const T* row, int64_t step, int64_t x, int count, T (&v)[N]) {
  if (N > 1 && count == N) {
    const Pack<T, N> pack = load_pack<N>(row + x);
    for (int k = 0; k < N; ++k) v[k] = pack.v[k];
  } else {
    for (int k = 0; k < N; ++k)
      if (k < count) v[k] = row[(x + k) * step];
  }
}
template <int N, typename T>
__device__ void store_row(T* row, int64_t step, int64_t x, int count, const T (&v)[N]) {
  if (N > 1 && count == N) {
    Pack<T, N> pack;
    for (int k = 0; k < N; ++k) pack.v[k] = v[k];
    store_pack(pack, row + x);
  } else {
    for (int k = 0; k < N; ++k)
      if (k < count) row[(x + k) * step] = v[k];
  }
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

// What one thread sees of a frame row: N pixels from x on, of which `count` are there.
template <int N>
struct Span {
  int64_t n, y, x;
  int count;
  unsigned visible[N];           // bits of fuse::kHairVisible and fuse::kBackgroundVisible
  float hair[N], background[N];  // weights, where the mask is soft
};

template <int N>
__device__ void look(const FaceParts& parts, const Places& places, const Tensor& mask, bool soft, Span<N>& s) {
  if (soft) {
    mask_row(mask, s.n, 0, s.y, s.x, s.count, s.hair);
    mask_row(mask, s.n, 1, s.y, s.x, s.count, s.background);
    for (int k = 0; k < N; ++k) s.visible[k] = fuse::kHairVisible | fuse::kBackgroundVisible;
    return;
  }
  float person[N];
  mask_row(mask, s.n, 0, s.y, s.x, s.count, person);
  for (int k = 0; k < N; ++k) s.visible[k] = person[k] >= 0.5f ? fuse::kHairVisible : fuse::kBackgroundVisible;
#pragma unroll
  for (int p = 0; p < 4; ++p) {
    const int64_t row = s.y - places.y[p], column = s.x - places.x[p];
    if (row < 0 || row >= parts.part[p].shape[2]) continue;
    for (int k = 0; k < N; ++k)
      if (column + k >= 0 && column + k < parts.part[p].shape[3]) s.visible[k] &= fuse::kBackgroundVisible;
  }
}

// Pixels of part p under the span, `beyond` outside of it.
template <int N, typename T>
__device__ void part_values(const Tensor& part, int64_t x0, int64_t y0, const Span<N>& s, int64_t c, T beyond,
                            T (&v)[N]) {
  const int64_t row = s.y - y0, column = s.x - x0;
  for (int k = 0; k < N; ++k) v[k] = beyond;
  if (row < 0 || row >= part.shape[2] || column >= part.shape[3] || column + N <= 0) return;
  const T* from = row_of<T>(part, s.n, c, row);
  for (int k = 0; k < N; ++k)
    if (column + k >= 0 && column + k < part.shape[3] && k < s.count) v[k] = from[(column + k) * part.stride[3]];
}

// Hair or background under the span: `beyond` where not visible, and blended where the mask is soft.
template <int N, typename T>
__device__ void large_values(const Tensor& image, const Span<N>& s, int64_t c, unsigned bit, bool soft,
                             const float (&weights)[N], float beyond, T (&v)[N]) {
  unsigned any = 0;
  for (int k = 0; k < N; ++k) any |= s.visible[k] & bit;
  if (any) load_row<N>(row_of<T>(image, s.n, c, s.y), image.stride[3], s.x, s.count, v);
  for (int k = 0; k < N; ++k) {
    if (!(s.visible[k] & bit) || k >= s.count)
      v[k] = from_float<T>(beyond);
    else if (soft)
      v[k] = from_float<T>(fuse::blend(to_float(v[k]), weights[k], beyond));
  }
}

template <typename T, int N, bool Winners>
PA_KERNEL void fuse_regions_kernel(FaceParts parts, Tensor centres, Tensor hair, Tensor background, Tensor mask,
                                   Tensor out, Tensor winners, FuseMode mode, bool soft) {
  __shared__ Places places;
  Span<N> s;
  s.n = blockIdx.z;
  places.find(parts, centres, s.n, threadIdx.y * kColumns + threadIdx.x);
  __syncthreads();
  s.x = (static_cast<int64_t>(blockIdx.x) * kColumns + threadIdx.x) * N;
  const int64_t left = out.shape[3] - s.x;
  s.count = left < N ? static_cast<int>(left) : N;
  if (left <= 0) return;
  const float beyond = fuse::extension(mode);
  for (s.y = static_cast<int64_t>(blockIdx.y) * kRows + threadIdx.y; s.y < out.shape[2];
       s.y += static_cast<int64_t>(gridDim.y) * kRows) {
    look(parts, places, mask, soft, s);
    for (int64_t c = 0; c < out.shape[1]; ++c) {
      T value[6][N], least[N];
#pragma unroll
      for (int p = 0; p < 4; ++p)
        part_values(parts.part[p], places.x[p], places.y[p], s, c, from_float<T>(beyond), value[p]);
      large_values(hair, s, c, fuse::kHairVisible, soft, s.hair, beyond, value[fuse::kHair]);
      large_values(background, s, c, fuse::kBackgroundVisible, soft, s.background, beyond, value[fuse::kBackground]);
      uint8_t won[N];
#pragma unroll
      for (int k = 0; k < N; ++k) {
        least[k] = value[0][k];
#pragma unroll
        for (int p = 1; p < 6; ++p)
          if (fuse::replaces(to_float(value[p][k]), to_float(least[k]), mode)) least[k] = value[p][k];
        unsigned bits = s.visible[k];
#pragma unroll
        for (int p = 0; Winners && p < 6; ++p)
          bits |= static_cast<unsigned>(fuse::equals(to_float(value[p][k]), to_float(least[k]))) << p;
        won[k] = static_cast<uint8_t>(bits);
      }
      store_row(row_of<T>(out, s.n, c, s.y), out.stride[3], s.x, s.count, least);
      if (Winners) store_row(row_of<uint8_t>(winners, s.n, c, s.y), winners.stride[3], s.x, s.count, won);
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
PA_KERNEL void fuse_regions_backward_kernel(Gradients g) {
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

template <typename T, int N, bool Winners>
void forward(const FaceParts& parts, const Tensor& centres, const Tensor& hair, const Tensor& background,
             const Tensor& mask, const Tensor& out, const Tensor& winners, FuseMode mode, const Context& ctx) {
  const unsigned across = blocks(out.shape[3], kColumns * N), down = blocks(out.shape[2], kRows, 65535);
  constexpr int64_t kMost = 65535;  // samples of a launch
  for (int64_t first = 0; first < out.shape[0]; first += kMost) {
    const int64_t left = out.shape[0] - first;
    const auto from = [&](Tensor t) {
      t.data = static_cast<char*>(t.data) + first * t.stride[0] * item_bytes(t.dtype);
      return t;
    };
    const FaceParts own{{from(parts.part[0]), from(parts.part[1]), from(parts.part[2]), from(parts.part[3])}};
    launch(fuse_regions_kernel<T, N, Winners>, dim3(across, down, blocks(left, 1, kMost)), dim3(kColumns, kRows), 0,
           ctx, own, from(centres), from(hair), from(background), from(mask), from(out), from(winners), mode,
           mask.shape[1] == 2);
  }
}

}  // namespace

void fuse_regions(const FaceParts& parts, const Tensor& centres, const Tensor& hair, const Tensor& background,
                  const Tensor& mask, const Tensor& out, const Tensor& winners, FuseMode mode, const Context& ctx) {
  for_float_type(out.dtype, [&](auto zero) {
    using T = decltype(zero);
    constexpr int N = kPack<T>;
    const bool with = winners.numel() > 0;
    const bool packs = in_packs(N, {&hair, &background, &mask, &out}) && (!with || in_packs(N, {&winners}));
    const auto run = packs ? (with ? forward<T, N, true> : forward<T, N, false>)
                           : (with ? forward<T, 1, true> : forward<T, 1, false>);
    run(parts, centres, hair, background, mask, out, winners, mode, ctx);
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
