// Enlarges a coarse map so that its edges follow those of an image: the definition of csrc/cpu/guided_upsample.cpp.
// Method: four passes. 1. guide: eight lanes a coarse cell, a column of its pixels each. 2. fit: a block takes 128
// cells of a coarse row; it sums the window's rows into shared memory, a segment of columns at a time, and each thread
// adds up the columns of its window. 3. average: the same of the coefficients. 4. apply: a thread four neighbouring
// pixels. Shared memory: 4 KB. Workspace: five floats a coarse cell. Numerics: core/guided_upsample_math.h; float32,
// sums in the order of the CPU except within the cell of the guide. Limits: none; the cost grows with the radius
// squared only through the rows and columns of a window, never their product.
#include "core/guided_upsample_math.h"
#include "cuda/kernels.h"
#include "cuda/launch.cuh"
#include "cuda/workspace.cuh"

namespace pyapdraw {
namespace cuda {

namespace {

constexpr int kThreads = 128, kCellLanes = 8, kSegment = 256, kPixels = 4;

__device__ float grey_at(const Tensor& image, int64_t y, int64_t x) {
  const uint8_t* p = image.as<uint8_t>() + y * image.stride[0] + x * image.stride[1];
  return guided::grey(p[0], p[image.stride[2]], p[2 * image.stride[2]]);
}

PA_KERNEL __launch_bounds__(kThreads) void guided_upsample_guide_kernel(Tensor image, float* guide, int64_t h,
                                                                        int64_t w) {
  const int64_t cell = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) / kCellLanes;
  const int lane = threadIdx.x % kCellLanes;
  const int64_t at = cell < h * w ? cell : h * w - 1, i = at / w, j = at % w;
  const int64_t y0 = guided::cell_begin(i, image.shape[0], h), y1 = guided::cell_end(i, image.shape[0], h);
  const int64_t x0 = guided::cell_begin(j, image.shape[1], w), x1 = guided::cell_end(j, image.shape[1], w);
  float sum = 0;
  for (int64_t x = x0 + lane; x < x1; x += kCellLanes) {
    float column = 0;
    for (int64_t y = y0; y < y1; ++y) column += grey_at(image, y, x);
    sum += column;
  }
  for (int d = kCellLanes / 2; d > 0; d /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, d);
  if (lane == 0 && cell < h * w) guide[cell] = sum / static_cast<float>((y1 - y0) * (x1 - x0));
}

// What the two window passes sum: K values of a cell.
struct FitTerms {  // g, p, g g, g p
  static constexpr int kCount = 4;
  const float *guide, *p;
  int64_t width, row, column;  // of the guide; strides of p
  __device__ void add(int64_t i, int64_t x, float* sum) const {
    const float g = guide[i * width + x], q = p[i * row + x * column];
    sum[0] += g;
    sum[1] += q;
    sum[2] += g * g;
    sum[3] += g * q;
  }
};
struct LineTerms {  // a, b
  static constexpr int kCount = 2;
  const float2* lines;
  int64_t width;
  __device__ void add(int64_t i, int64_t x, float* sum) const {
    const float2 line = lines[i * width + x];
    sum[0] += line.x;
    sum[1] += line.y;
  }
};

struct Grid {
  int64_t h, w, radius, blocks_a_row;
};

// The means over the window of this thread's cell; false where it has none. Called by all threads of a block.
template <typename Terms>
__device__ bool window_means(const Grid& g, const Terms& terms, float* means, int64_t* cell) {
  constexpr int K = Terms::kCount;
  __shared__ float columns[K][kSegment];
  const int64_t i = blockIdx.x / g.blocks_a_row, first = blockIdx.x % g.blocks_a_row * kThreads;
  const int64_t j = first + threadIdx.x, own = j < g.w ? j : g.w - 1, last = first + kThreads - 1;
  const int64_t y0 = guided::window_begin(i, g.radius), y1 = guided::window_end(i, g.radius, g.h);
  const int64_t x0 = guided::window_begin(own, g.radius), x1 = guided::window_end(own, g.radius, g.w);
  const int64_t begin = guided::window_begin(first, g.radius);
  const int64_t end = guided::window_end(last < g.w ? last : g.w - 1, g.radius, g.w);
  for (int k = 0; k < K; ++k) means[k] = 0;
  for (int64_t segment = begin; segment < end; segment += kSegment) {
    for (int64_t x = segment + threadIdx.x; x < segment + kSegment && x < end; x += kThreads) {
      float sum[K] = {};
      for (int64_t y = y0; y < y1; ++y) terms.add(y, x, sum);
      for (int k = 0; k < K; ++k) columns[k][x - segment] = sum[k];
    }
    __syncthreads();
    const int64_t from = x0 > segment ? x0 : segment, to = x1 < segment + kSegment ? x1 : segment + kSegment;
    for (int64_t x = from; x < to; ++x)
      for (int k = 0; k < K; ++k) means[k] += columns[k][x - segment];
    __syncthreads();
  }
  const float share = 1.0f / static_cast<float>((y1 - y0) * (x1 - x0));
  for (int k = 0; k < K; ++k) means[k] *= share;
  *cell = i * g.w + j;
  return j < g.w;
}

PA_KERNEL void guided_upsample_fit_kernel(Grid grid, FitTerms terms, float epsilon, float2* lines) {
  float m[4], a, b;
  int64_t cell;
  if (!window_means(grid, terms, m, &cell)) return;
  guided::fit_line(m[0], m[1], m[2], m[3], epsilon, &a, &b);
  lines[cell] = make_float2(a, b);
}

PA_KERNEL void guided_upsample_average_kernel(Grid grid, LineTerms terms, float2* lines) {
  float m[2];
  int64_t cell;
  if (window_means(grid, terms, m, &cell)) lines[cell] = make_float2(m[0], m[1]);
}

PA_KERNEL void guided_upsample_apply_kernel(Tensor image, const float2* lines, int64_t h, int64_t w, float gain,
                                            Tensor out, int64_t groups_a_row, bool packed) {
  const int64_t group = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (group >= groups_a_row * out.shape[0]) return;
  const int64_t y = group / groups_a_row, x0 = group % groups_a_row * kPixels, W = out.shape[1];
  float fy;
  const int64_t i = guided::cell_below(y, out.shape[0], h, &fy), below = i + 1 < h ? i + 1 : i;
  const float2 *upper = lines + i * w, *lower = lines + below * w;
  uint8_t* to = out.as<uint8_t>() + y * out.stride[0] + x0 * out.stride[1];
  uchar4 four = make_uchar4(0, 0, 0, 0);
  for (int k = 0; k < kPixels && x0 + k < W; ++k) {
    float fx;
    const int64_t j = guided::cell_below(x0 + k, W, w, &fx), next = j + 1 < w ? j + 1 : j;
    const float a0 = guided::mix(upper[j].x, lower[j].x, fy), a1 = guided::mix(upper[next].x, lower[next].x, fy);
    const float b0 = guided::mix(upper[j].y, lower[j].y, fy), b1 = guided::mix(upper[next].y, lower[next].y, fy);
    const uint8_t level =
        guided::level(guided::mix(a0, a1, fx), guided::mix(b0, b1, fx), grey_at(image, y, x0 + k), gain);
    if (!packed) to[k * out.stride[1]] = level;
    (k == 0 ? four.x : k == 1 ? four.y : k == 2 ? four.z : four.w) = level;
  }
  if (packed) *reinterpret_cast<uchar4*>(to) = four;
}

}  // namespace

void guided_upsample(const Tensor& coarse, const Tensor& image, const Tensor& out, int radius, float epsilon,
                     float gain, const Context& ctx) {
  const int64_t h = coarse.shape[0], w = coarse.shape[1], H = out.shape[0], W = out.shape[1];
  Workspace scratch(ctx);
  float* guide = scratch.take<float>(h * w);
  float2* fitted = scratch.take<float2>(h * w);
  float2* averaged = scratch.take<float2>(h * w);
  if (scratch.measured("guided_upsample")) return;
  const int64_t longest = h > w ? h : w, a_row = blocks(w, kThreads);
  const Grid grid{h, w, radius < longest ? radius : longest, a_row};
  launch(guided_upsample_guide_kernel, dim3(blocks(h * w * kCellLanes, kThreads)), dim3(kThreads), 0, ctx, image, guide,
         h, w);
  const dim3 rows(blocks(h * a_row, 1)), threads(kThreads);
  launch(guided_upsample_fit_kernel, rows, threads, 0, ctx, grid,
         FitTerms{guide, coarse.as<float>(), w, coarse.stride[0], coarse.stride[1]}, epsilon, fitted);
  launch(guided_upsample_average_kernel, rows, threads, 0, ctx, grid, LineTerms{fitted, w}, averaged);
  const bool packed = out.stride[1] == 1 && W % kPixels == 0 && out.stride[0] % kPixels == 0 &&
                      reinterpret_cast<uintptr_t>(out.data) % kPixels == 0;
  const int64_t groups = blocks(W, kPixels);
  launch(guided_upsample_apply_kernel, dim3(blocks(H * groups, kThreads)), threads, 0, ctx, image, averaged, h, w, gain,
         out, groups, packed);
}

}  // namespace cuda
}  // namespace pyapdraw
