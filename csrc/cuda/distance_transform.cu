// Exact Euclidean distance transform of a batch of images: method and numerics as in
// cpu/distance_transform.cpp, arranged for a GPU in two launches a map, without workspace:
// 1. columns: a block takes 32 columns, its 16 warps a band of rows each. A warp notes the first
//    and the last site of its band in shared memory, which gives every band the nearest site
//    outside it; then it sweeps its band down and up. Column distances go to the output plane.
// 2. rows: a block takes one row of the output plane into shared memory and searches outwards
//    from every pixel until the offset alone exceeds the best distance: O(distance) a pixel.
// Shared memory: rows 4 bytes a column. Numerics: integer squares (64-bit for images above
// 32,768 px), one rounding at the end.
// Limits: width 24,576 px with 96 KiB of shared memory a block (sm_86 and newer).
#include "core/distance_transform_math.h"
#include "cuda/kernels.h"
#include "cuda/launch.cuh"

namespace pyapdraw {
namespace cuda {
namespace {

constexpr int kColumns = 32;
constexpr int kBands = 16;
constexpr int kRowThreads = 256;
constexpr int kNone = 2147483647;  // no site in this column
constexpr int64_t kMaxWidth = 24 * 1024;

__device__ int64_t image_offset(const Tensor& t, int64_t image) {
  int64_t offset = 0;
  for (int i = t.ndim - 3; i >= 0; --i) {
    offset += image % t.shape[i] * t.stride[i];
    image /= t.shape[i];
  }
  return offset;
}

// grid (stripes of 32 columns, images), block (32, 16)
PA_KERNEL void distance_transform_columns_kernel(Tensor sites, bool site, Tensor distance, int64_t first_image) {
  __shared__ int first[kBands][kColumns], last[kBands][kColumns];
  const int64_t height = sites.shape[sites.ndim - 2], width = sites.shape[sites.ndim - 1];
  const int64_t in_step = sites.stride[sites.ndim - 2], out_step = distance.stride[sites.ndim - 2];
  const int64_t image = first_image + blockIdx.y, x = static_cast<int64_t>(blockIdx.x) * kColumns + threadIdx.x;
  const int band = threadIdx.y, lane = threadIdx.x;
  const int64_t rows = (height + kBands - 1) / kBands;
  const int64_t begin = band * rows < height ? band * rows : height,
                end = begin + rows < height ? begin + rows : height;
  const bool inside = x < width;
  const uint8_t* in =
      sites.as<uint8_t>() + image_offset(sites, image) + (inside ? x : 0) * sites.stride[sites.ndim - 1];
  float* out =
      distance.as<float>() + image_offset(distance, image) + (inside ? x : 0) * distance.stride[sites.ndim - 1];

  int low = kNone, high = -1;
  for (int64_t y = begin; inside && y < end; ++y)
    if ((in[y * in_step] != 0) == site) {
      if (low == kNone) low = static_cast<int>(y);
      high = static_cast<int>(y);
    }
  first[band][lane] = low;
  last[band][lane] = high;
  __syncthreads();
  if (!inside) return;

  int64_t above = -1, below = -1;  // rows of the nearest sites outside the band
  for (int i = band - 1; i >= 0 && above < 0; --i) above = last[i][lane];
  for (int i = band + 1; i < kBands && below < 0; ++i)
    if (first[i][lane] != kNone) below = first[i][lane];
  for (int64_t y = begin; y < end; ++y) {
    if ((in[y * in_step] != 0) == site) above = y;
    out[y * out_step] = above < 0 ? INFINITY : static_cast<float>(y - above);
  }
  for (int64_t y = end - 1; y >= begin; --y) {
    if ((in[y * in_step] != 0) == site) below = y;
    if (below >= 0) out[y * out_step] = fminf(out[y * out_step], static_cast<float>(below - y));
  }
}

// grid (rows, images), D: type of a squared distance
template <typename D>
PA_KERNEL void distance_transform_rows_kernel(Tensor distance, bool squared, int64_t first_image) {
  PA_SHARED(int, g);
  const int width = static_cast<int>(distance.shape[distance.ndim - 1]);
  const int64_t step = distance.stride[distance.ndim - 1];
  float* row = distance.as<float>() + image_offset(distance, first_image + blockIdx.y) +
               static_cast<int64_t>(blockIdx.x) * distance.stride[distance.ndim - 2];
  for (int x = threadIdx.x; x < width; x += kRowThreads) {
    const float d = row[x * step];
    g[x] = d < INFINITY ? static_cast<int>(d) : kNone;
  }
  __syncthreads();
  const D infinite = static_cast<D>(sizeof(D) == 8 ? 9223372036854775807 : kNone);
  for (int x = threadIdx.x; x < width; x += kRowThreads) {
    D best = g[x] == kNone ? infinite : static_cast<D>(g[x]) * g[x];
    for (int k = 1; k < width && static_cast<D>(k) * k < best; ++k) {
      if (x - k < 0 && x + k >= width) break;
      const D square = static_cast<D>(k) * k;
      if (x - k >= 0 && g[x - k] != kNone) best = min(best, static_cast<D>(g[x - k]) * g[x - k] + square);
      if (x + k < width && g[x + k] != kNone) best = min(best, static_cast<D>(g[x + k]) * g[x + k] + square);
    }
    row[x * step] = best == infinite ? INFINITY : distance::finish(best, squared);
  }
}

void transform(const Tensor& sites, bool site, const Tensor& distance, bool squared, const Context& ctx) {
  const int64_t height = sites.size_back(2), width = sites.size_back(1);
  if (sites.numel() == 0) return;
  if (width > kMaxWidth || height > (1 << 24))
    throw Unsupported("distance_transform: on CUDA images are at most 24576 px wide and 2^24 px high");
  const int64_t images = sites.numel() / (height * width);
  const size_t shared_bytes = static_cast<size_t>(width) * sizeof(int);
  const bool wide = !distance::squares_below(height, width, kNone);
  const auto rows = wide ? distance_transform_rows_kernel<int64_t> : distance_transform_rows_kernel<int>;
  if (shared_bytes > 48 * 1024)
    check(cudaFuncSetAttribute(rows, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes)),
          "distance_transform: shared memory for a row");
  for (int64_t first = 0; first < images; first += 65535) {
    const unsigned count = static_cast<unsigned>(images - first < 65535 ? images - first : 65535);
    launch(distance_transform_columns_kernel, dim3(blocks(width, kColumns), count), dim3(kColumns, kBands), 0, ctx,
           sites, site, distance, first);
    launch(rows, dim3(static_cast<unsigned>(height), count), dim3(kRowThreads), shared_bytes, ctx, distance, squared,
           first);
  }
}

}  // namespace

void distance_transform(const Tensor& sites, const Tensor& distance, bool squared, const Context& ctx) {
  transform(sites, true, distance, squared, ctx);
}

void distance_transform_pair(const Tensor& ink, const Tensor& to_ink, const Tensor& to_paper, bool squared,
                             const Context& ctx) {
  transform(ink, true, to_ink, squared, ctx);
  transform(ink, false, to_paper, squared, ctx);
}

}  // namespace cuda
}  // namespace pyapdraw
