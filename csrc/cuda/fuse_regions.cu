// Fusion of six local drawings by the smallest or largest value [APD19, section 4.1; official partCombiner2_bg].
// Method: one launch, one thread a frame pixel (all its channels); the four rectangles are
// computed by every thread from the centres (eight cached loads), so nothing is padded or
// copied. Backward: one thread a pixel of the frame for hair and background, and one launch a
// part, one thread a pixel of it: every gradient is a select, there are no atomics.
// Shared memory: none. Numerics: the output is one of the inputs, bit for bit, or the extension; NaN wins.
// Limits: 2^31 - 1 blocks of 256 pixels.
#include "core/fuse_regions_math.h"
#include "cuda/dtype.cuh"
#include "cuda/kernels.h"
#include "cuda/launch.cuh"

namespace pyapdraw {
namespace cuda {
namespace {

constexpr int kThreads = 256;

// Where a pixel of the frame falls in a part, or column -1.
struct PartPixel {
  int64_t column = -1, row = -1;
};

__device__ PartPixel part_pixel(const Tensor& part, const Tensor& centres, int64_t n, int i, int64_t x, int64_t y) {
  PartPixel p;
  p.column = x - fuse::part_start(fuse::centre_at(centres, n, i, 0), part.shape[3]);
  p.row = y - fuse::part_start(fuse::centre_at(centres, n, i, 1), part.shape[2]);
  if (p.column < 0 || p.column >= part.shape[3] || p.row < 0 || p.row >= part.shape[2]) p.column = -1;
  return p;
}

__device__ float weight_at(const Tensor& mask, int64_t i) {
  switch (mask.dtype) {
    case DType::f32: return mask.as<float>()[i];
    case DType::f16: return to_float(mask.as<__half>()[i]);
    case DType::bf16: return to_float(mask.as<__nv_bfloat16>()[i]);
    default: return mask.as<uint8_t>()[i] != 0;
  }
}

template <typename T>
__device__ T& at(const Tensor& t, int64_t n, int64_t c, int64_t y, int64_t x) {
  return t.as<T>()[n * t.stride[0] + c * t.stride[1] + y * t.stride[2] + x * t.stride[3]];
}

template <typename T>
PA_KERNEL void fuse_regions_kernel(FaceParts parts, Tensor centres, Tensor hair, Tensor background, Tensor mask,
                                   Tensor out, Tensor winners, FuseMode mode) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const int64_t height = out.shape[2], width = out.shape[3];
  if (i >= out.shape[0] * height * width) return;
  const int64_t n = i / width / height, y = i / width % height, x = i % width;
  PartPixel pixel[4];
  bool inside = false;
  for (int p = 0; p < 4; ++p) {
    pixel[p] = part_pixel(parts.part[p], centres, n, p, x, y);
    inside = inside || pixel[p].column >= 0;
  }
  const int64_t place = n * mask.stride[0] + y * mask.stride[2] + x * mask.stride[3];
  const bool soft = mask.shape[1] == 2, person = weight_at(mask, place) >= 0.5f;
  const float hair_weight = soft ? weight_at(mask, place) : 1.0f;
  const float background_weight = soft ? weight_at(mask, place + mask.stride[1]) : 1.0f;
  unsigned visible = !person ? fuse::kBackgroundVisible : inside ? 0 : fuse::kHairVisible;
  if (soft) visible = fuse::kHairVisible | fuse::kBackgroundVisible;
  const T beyond = from_float<T>(fuse::extension(mode));
  for (int64_t c = 0; c < out.shape[1]; ++c) {
    T value[6];
    for (int p = 0; p < 4; ++p)
      value[p] = pixel[p].column >= 0 ? at<T>(parts.part[p], n, c, pixel[p].row, pixel[p].column) : beyond;
    value[fuse::kHair] = visible & fuse::kHairVisible ? at<T>(hair, n, c, y, x) : beyond;
    value[fuse::kBackground] = visible & fuse::kBackgroundVisible ? at<T>(background, n, c, y, x) : beyond;
    if (soft) {
      value[fuse::kHair] = from_float<T>(fuse::blend(to_float(value[fuse::kHair]), hair_weight, fuse::extension(mode)));
      value[fuse::kBackground] =
          from_float<T>(fuse::blend(to_float(value[fuse::kBackground]), background_weight, fuse::extension(mode)));
    }
    T least = value[0];
    for (int p = 1; p < 6; ++p)
      if (fuse::replaces(to_float(value[p]), to_float(least), mode)) least = value[p];
    at<T>(out, n, c, y, x) = least;
    if (!winners.data) continue;
    unsigned won = visible;
    for (int p = 0; p < 6; ++p) won |= static_cast<unsigned>(fuse::equals(to_float(value[p]), to_float(least))) << p;
    at<uint8_t>(winners, n, c, y, x) = static_cast<uint8_t>(won);
  }
}

template <typename T>
PA_KERNEL void fuse_regions_backward_frame_kernel(Tensor grad, Tensor winners, Tensor weights, Tensor grad_hair,
                                                  Tensor grad_background) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= grad.shape[0] * grad.shape[1] * grad.shape[2] * grad.shape[3]) return;
  const int64_t x = i % grad.shape[3], y = i / grad.shape[3] % grad.shape[2];
  const int64_t plane = i / grad.shape[3] / grad.shape[2], c = plane % grad.shape[1], n = plane / grad.shape[1];
  const unsigned won = at<uint8_t>(winners, n, c, y, x);
  const float g = to_float(at<T>(grad, n, c, y, x));
  float hair = won & fuse::kHairVisible ? fuse::share(won, fuse::kHair) : 0.0f;
  float background = won & fuse::kBackgroundVisible ? fuse::share(won, fuse::kBackground) : 0.0f;
  if (weights.data) {
    const int64_t place = n * weights.stride[0] + y * weights.stride[2] + x * weights.stride[3];
    hair *= weight_at(weights, place);
    background *= weight_at(weights, place + weights.stride[1]);
  }
  at<T>(grad_hair, n, c, y, x) = from_float<T>(hair != 0.0f ? g * hair : 0.0f);
  at<T>(grad_background, n, c, y, x) = from_float<T>(background != 0.0f ? g * background : 0.0f);
}

template <typename T>
PA_KERNEL void fuse_regions_backward_part_kernel(Tensor grad, Tensor winners, Tensor centres, int part,
                                                 Tensor grad_part) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const int64_t rows = grad_part.shape[2], columns = grad_part.shape[3];
  if (i >= grad_part.shape[0] * grad_part.shape[1] * rows * columns) return;
  const int64_t column = i % columns, row = i / columns % rows;
  const int64_t plane = i / columns / rows, c = plane % grad_part.shape[1], n = plane / grad_part.shape[1];
  const int64_t x = column + fuse::part_start(fuse::centre_at(centres, n, part, 0), columns);
  const int64_t y = row + fuse::part_start(fuse::centre_at(centres, n, part, 1), rows);
  float g = 0.0f;
  if (x >= 0 && x < grad.shape[3] && y >= 0 && y < grad.shape[2]) {
    const float share = fuse::share(at<uint8_t>(winners, n, c, y, x), part);
    if (share != 0.0f) g = to_float(at<T>(grad, n, c, y, x)) * share;
  }
  at<T>(grad_part, n, c, row, column) = from_float<T>(g);
}

}  // namespace

void fuse_regions(const FaceParts& parts, const Tensor& centres, const Tensor& hair, const Tensor& background,
                  const Tensor& mask, const Tensor& out, const Tensor& winners, FuseMode mode, const Context& ctx) {
  const int64_t pixels = out.shape[0] * out.shape[2] * out.shape[3];
  if (out.numel() == 0) return;
  Tensor wanted = winners;
  if (winners.numel() == 0) wanted.data = nullptr;
  for_float_type(out.dtype, [&](auto zero) {
    launch(fuse_regions_kernel<decltype(zero)>, dim3(blocks(pixels, kThreads)), dim3(kThreads), 0, ctx, parts, centres,
           hair, background, mask, out, wanted, mode);
  });
}

void fuse_regions_backward(const Tensor& grad, const Tensor& winners, const Tensor& centres, const Tensor& weights,
                           const FaceParts& grad_parts, const Tensor& grad_hair, const Tensor& grad_background,
                           const Context& ctx) {
  Tensor factors = weights;
  if (weights.numel() == 0) factors.data = nullptr;
  for_float_type(grad.dtype, [&](auto zero) {
    using T = decltype(zero);
    if (grad.numel() > 0)
      launch(fuse_regions_backward_frame_kernel<T>, dim3(blocks(grad.numel(), kThreads)), dim3(kThreads), 0, ctx, grad,
             winners, factors, grad_hair, grad_background);
    for (int i = 0; i < 4; ++i) {
      const Tensor& part = grad_parts.part[i];
      if (part.numel() > 0)
        launch(fuse_regions_backward_part_kernel<T>, dim3(blocks(part.numel(), kThreads)), dim3(kThreads), 0, ctx, grad,
               winners, centres, i, part);
    }
  });
}

}  // namespace cuda
}  // namespace pyapdraw
