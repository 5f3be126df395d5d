// Alpha composition [H,W,C]. Method: one thread four pixels of one or three channels; each operand comes in packs of
// four elements where its rows are packed, a grey one once a pixel for all channels, others (views, broadcast) one by
// one. Pictures of other numbers of channels: one thread a pixel. Shared memory: none. Numerics: core/composite_math.h
// (u8 exact, f32 one multiply-add).
#include "core/composite_math.h"
#include "cuda/kernels.h"
#include "cuda/pixels.cuh"

namespace pyapdraw {
namespace cuda {
namespace {

enum Layout : int32_t { kStrided, kPacked, kGrey };  // kGrey: packed values that all channels share

struct Operand {
  Tensor t;
  Layout layout;
};

template <typename T, int C>
__device__ void load(const Operand& from, int64_t row, int64_t x, int count, T (&v)[4 * C]) {
  const Tensor& t = from.t;
  const T* line = t.as<T>() + row * t.stride[0];
  if (from.layout == kStrided || count < 4) {
    for (int k = 0; k < 4; ++k)
      for (int c = 0; c < C; ++c)
        if (k < count) v[k * C + c] = line[(x + k) * t.stride[1] + c * t.stride[2]];
    return;
  }
  const int packs = from.layout == kGrey ? 1 : C;
#pragma unroll
  for (int i = 0; i < C; ++i) {
    if (i >= packs) continue;
    const Pack<T, 4> pack = load_pack<4>(line + x * packs + 4 * i);
    for (int k = 0; k < 4; ++k) {
      if (from.layout == kGrey)
        for (int c = 0; c < C; ++c) v[k * C + c] = pack.v[k];
      else
        v[4 * i + k] = pack.v[k];
    }
  }
}

template <typename T, int C>
__device__ void store(const Operand& to, int64_t row, int64_t x, int count, const T (&v)[4 * C]) {
  const Tensor& t = to.t;
  T* line = t.as<T>() + row * t.stride[0];
  if (to.layout == kPacked && count == 4) {
#pragma unroll
    for (int i = 0; i < C; ++i) {
      Pack<T, 4> pack;
      for (int k = 0; k < 4; ++k) pack.v[k] = v[4 * i + k];
      store_pack(pack, line + x * C + 4 * i);
    }
    return;
  }
  for (int k = 0; k < 4; ++k)
    for (int c = 0; c < C; ++c)
      if (k < count) line[(x + k) * t.stride[1] + c * t.stride[2]] = v[k * C + c];
}

__device__ inline uint8_t blend(uint8_t d, uint8_t a, uint8_t b) { return blend_bytes(d, a, b); }
__device__ inline float blend(float d, float a, float b) { return blend_floats(d, a, b); }

template <typename T, int C>
PA_KERNEL void __launch_bounds__(kImageThreads)
    composite_quad_kernel(Operand drawing, Operand alpha, Operand background, Operand out) {
  const int64_t x = first_column<4>(), width = out.t.shape[1];
  if (x >= width) return;
  const int count = columns_left<4>(x, width);
  for (int64_t row = first_row(); row < out.t.shape[0]; row += row_step()) {
    T d[4 * C] = {}, a[4 * C] = {}, b[4 * C] = {};
    load<T, C>(drawing, row, x, count, d);
    load<T, C>(alpha, row, x, count, a);
    load<T, C>(background, row, x, count, b);
    for (int i = 0; i < 4 * C; ++i) d[i] = blend(d[i], a[i], b[i]);
    store<T, C>(out, row, x, count, d);
  }
}

template <typename T>
PA_KERNEL void __launch_bounds__(kImageThreads)
    composite_kernel(Tensor drawing, Tensor alpha, Tensor background, Tensor out) {
  const int64_t x = first_column<1>();
  if (x >= out.shape[1]) return;
  for (int64_t row = first_row(); row < out.shape[0]; row += row_step()) {
    const T* d = drawing.as<T>() + row * drawing.stride[0] + x * drawing.stride[1];
    const T* a = alpha.as<T>() + row * alpha.stride[0] + x * alpha.stride[1];
    const T* b = background.as<T>() + row * background.stride[0] + x * background.stride[1];
    T* to = out.as<T>() + row * out.stride[0] + x * out.stride[1];
#pragma unroll 1
    for (int64_t c = 0; c < out.shape[2]; ++c)
      to[c * out.stride[2]] = blend(d[c * drawing.stride[2]], a[c * alpha.stride[2]], b[c * background.stride[2]]);
  }
}

Operand operand(const Tensor& t) {
  const int64_t bytes = 4 * item_bytes(t.dtype), channels = t.shape[2];
  const bool rows = reinterpret_cast<uintptr_t>(t.data) % static_cast<uintptr_t>(bytes) == 0 &&
                    (t.shape[0] == 1 || t.stride[0] % 4 == 0);
  if (rows && t.stride[1] == channels && (t.stride[2] == 1 || channels == 1)) return {t, kPacked};
  return {t, rows && t.stride[1] == 1 && t.stride[2] == 0 ? kGrey : kStrided};
}

template <typename T>
void run(const Tensor& drawing, const Tensor& alpha, const Tensor& background, const Tensor& out, const Context& ctx) {
  const int64_t channels = out.shape[2];
  if (channels != 1 && channels != 3) {
    launch(composite_kernel<T>, image_grid(out.shape[0], out.shape[1], 1), image_block(), 0, ctx, drawing, alpha,
           background, out);
    return;
  }
  launch(channels == 1 ? composite_quad_kernel<T, 1> : composite_quad_kernel<T, 3>,
         image_grid(out.shape[0], out.shape[1], 4), image_block(), 0, ctx, operand(drawing), operand(alpha),
         operand(background), operand(out));
}

}  // namespace

void composite(const Tensor& drawing, const Tensor& alpha, const Tensor& background, const Tensor& out,
               const Context& ctx) {
  if (out.numel() == 0) return;
  if (out.dtype == DType::u8)
    run<uint8_t>(drawing, alpha, background, out, ctx);
  else
    run<float>(drawing, alpha, background, out, ctx);
}

}  // namespace cuda
}  // namespace pyapdraw
