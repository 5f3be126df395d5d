// R'G'B' or grey to Y'CbCr planes. Method: one thread a chroma sample, which writes the one to four luma samples of its
// block and the chroma of their mean; of packed 4:2:0 pictures two neighbouring blocks, 4 x 2 pixels in 4-byte
// accesses. Shared memory: none. Numerics: core/yuv_math.h, float32.
#include "core/yuv_math.h"
#include "cuda/kernels.h"
#include "cuda/pixels.cuh"

namespace pyapdraw {
namespace cuda {
namespace {

struct Planes {
  Tensor image, y, u, v;
  RgbToYuv m;
  bool grey;
  int down, across;  // 1 where chroma is halved

  __device__ void put_chroma(int64_t cy, int64_t cx, const Rgb& sum, float share) const {
    u.as<uint8_t>()[cy * u.stride[0] + cx * u.stride[1]] = grey ? 128 : u_byte(m, sum, share);
    v.as<uint8_t>()[cy * v.stride[0] + cx * v.stride[1]] = grey ? 128 : v_byte(m, sum, share);
  }

  // Chroma sample (cx, cy) and the luma of its block.
  __device__ void block(int64_t cy, int64_t cx) const {
    Rgb sum{0.0f, 0.0f, 0.0f};
    int count = 0;
    const int64_t channel = grey ? 0 : image.stride[2];
    for (int64_t row = cy << down; row < (cy + 1) << down && row < y.shape[0]; ++row)
      for (int64_t x = cx << across; x < (cx + 1) << across && x < y.shape[1]; ++x) {
        const uint8_t* at = image.as<uint8_t>() + row * image.stride[0] + x * image.stride[1];
        const Rgb p{static_cast<float>(at[0]), static_cast<float>(at[channel]), static_cast<float>(at[2 * channel])};
        sum = {sum.r + p.r, sum.g + p.g, sum.b + p.b};
        y.as<uint8_t>()[row * y.stride[0] + x * y.stride[1]] = luma_byte(m, p);
        ++count;
      }
    put_chroma(cy, cx, sum, 1.0f / static_cast<float>(count));
  }

  // Two blocks of 2 x 2 packed pixels, all inside.
  __device__ void two_blocks(int64_t cy, int64_t cx) const {
    Rgb sum[2] = {{0.0f, 0.0f, 0.0f}, {0.0f, 0.0f, 0.0f}};
    for (int i = 0; i < 2; ++i) {
      uint8_t pixels[12], luma[4];
      load_pixels<4>(image, 2 * cy + i, 2 * cx, 4, pixels);
      for (int k = 0; k < 4; ++k) {
        const Rgb p{static_cast<float>(pixels[3 * k]), static_cast<float>(pixels[3 * k + 1]),
                    static_cast<float>(pixels[3 * k + 2])};
        Rgb& of = sum[k / 2];
        of = {of.r + p.r, of.g + p.g, of.b + p.b};
        luma[k] = luma_byte(m, p);
      }
      store_row(y.as<uint8_t>() + (2 * cy + i) * y.stride[0], 1, 2 * cx, 4, luma);
    }
    for (int k = 0; k < 2; ++k) put_chroma(cy, cx + k, sum[k], 0.25f);
  }
};

// N chroma samples a thread.
template <int N>
PA_KERNEL void __launch_bounds__(kImageThreads) rgb_to_yuv_kernel(Planes p) {
  const int64_t cx = first_column<N>();
  if (cx >= p.u.shape[1]) return;
  for (int64_t cy = first_row(); cy < p.u.shape[0]; cy += row_step()) {
    if (N == 2 && 2 * cx + 4 <= p.y.shape[1] && 2 * cy + 2 <= p.y.shape[0]) {
      p.two_blocks(cy, cx);
      continue;
    }
    for (int k = 0; k < N; ++k)
      if (cx + k < p.u.shape[1]) p.block(cy, cx + k);
  }
}

}  // namespace

void rgb_to_yuv(const Tensor& image, const Tensor& y, const Tensor& u, const Tensor& v, const YuvFormat& format,
                const Context& ctx) {
  if (u.numel() == 0) return;
  const Planes p{image,
                 y,
                 u,
                 v,
                 rgb_to_yuv_coefficients(format),
                 image.ndim == 2,
                 u.shape[0] != y.shape[0],
                 u.shape[1] != y.shape[1]};
  const bool pairs = !p.grey && p.down && p.across && words(image) && packed_along(y, 1, 4);
  launch(pairs ? rgb_to_yuv_kernel<2> : rgb_to_yuv_kernel<1>, image_grid(u.shape[0], u.shape[1], pairs ? 2 : 1),
         image_block(), 0, ctx, p);
}

}  // namespace cuda
}  // namespace pyapdraw
