// Greedy non-maximum suppression: the definition of csrc/cpu/crop.cpp, exactly.
// Method: 1. who would suppress whom, as a matrix of bits: a thread a word of 32 later boxes, which the block holds in
// shared memory. 2. One block goes through the rows, 32 at a time: the first warp settles these 32 among themselves
// from the words on the diagonal, then all threads strike out what the kept ones suppress among the later boxes. So the
// only chain of dependent steps is one of n / 32. Shared memory: 640 bytes. Workspace: n^2 / 8 bytes and n / 8.
// Numerics: core/crop_math.h, products not fused.
#include "core/crop_math.h"
#include "cuda/kernels.h"
#include "cuda/launch.cuh"
#include "cuda/workspace.cuh"

namespace pyapdraw {
namespace cuda {

namespace {

constexpr int kRows = 128, kSweepThreads = 256;

// Bit l of bits[i * words + w]: box i suppresses box 32 w + l, a later one. Words before row i's own stay unwritten.
PA_KERNEL void nms_overlap_kernel(const float* boxes, uint32_t* bits, int64_t n, int64_t words, int64_t row_blocks,
                                  crop::Suppression how) {
  __shared__ float later[32][4], areas[32];
  const int64_t w = blockIdx.x / row_blocks, i = blockIdx.x % row_blocks * kRows + threadIdx.x;
  if (blockIdx.x % row_blocks * kRows > 32 * w + 31) return;  // the whole block is beyond the word
  if (threadIdx.x < 32 && 32 * w + threadIdx.x < n) {
    for (int k = 0; k < 4; ++k) later[threadIdx.x][k] = boxes[4 * (32 * w + threadIdx.x) + k];
    areas[threadIdx.x] = crop::box_area(later[threadIdx.x], how.side);
  }
  __syncthreads();
  if (i >= n || 32 * w + 31 < i) return;
  const float own[4] = {boxes[4 * i], boxes[4 * i + 1], boxes[4 * i + 2], boxes[4 * i + 3]};
  const float area = crop::box_area(own, how.side);
  uint32_t word = 0;
  for (int l = 0; l < 32; ++l) {
    const int64_t j = 32 * w + l;
    if (j > i && j < n && crop::suppresses(own, area, later[l], areas[l], how)) word |= 1u << l;
  }
  bits[i * words + w] = word;
}

PA_KERNEL __launch_bounds__(kSweepThreads) void nms_sweep_kernel(const uint32_t* bits, uint32_t* removed, uint8_t* keep,
                                                                 int64_t n, int64_t words) {
  __shared__ uint32_t kept;
  for (int64_t w = threadIdx.x; w < words; w += kSweepThreads) removed[w] = 0;
  const auto diagonal = [&](int64_t c) {
    const int64_t row = 32 * c + threadIdx.x;
    return threadIdx.x < 32 && row < n ? bits[row * words + c] : 0u;
  };
  uint32_t own = diagonal(0);
  __syncthreads();
  for (int64_t c = 0; c < words; ++c) {
    const uint32_t next = c + 1 < words ? diagonal(c + 1) : 0u;  // under way while these are settled
    if (threadIdx.x < 32) {
      const int64_t row = 32 * c + threadIdx.x;
      uint32_t gone = removed[c], stay = 0;
      for (int l = 0; l < 32; ++l) {
        const uint32_t struck = __shfl_sync(0xffffffffu, own, l);
        if (gone >> l & 1) continue;
        stay |= 1u << l;
        gone |= struck;
      }
      if (row < n) keep[row] = stay >> threadIdx.x & 1;
      if (threadIdx.x == 0) kept = n - 32 * c < 32 ? stay & ((1u << (n - 32 * c)) - 1) : stay;
    }
    __syncthreads();
    for (int64_t w = c + 1 + threadIdx.x; w < words; w += kSweepThreads) {
      uint32_t gone = 0;
      for (int l = 0; l < 32; ++l)
        if (kept >> l & 1) gone |= bits[(32 * c + l) * words + w];
      removed[w] |= gone;
    }
    own = next;
    __syncthreads();
  }
}

}  // namespace

void nms(const Tensor& boxes, const Tensor& keep, float threshold, float side, bool minimum, const Context& ctx) {
  const int64_t n = boxes.shape[0], words = (n + 31) / 32;
  Workspace scratch(ctx);
  uint32_t* bits = scratch.take<uint32_t>(n * words);
  uint32_t* removed = scratch.take<uint32_t>(words);
  if (scratch.measured("nms")) return;
  const int64_t row_blocks = blocks(n, kRows);
  const crop::Suppression how{threshold, side, minimum};
  launch(nms_overlap_kernel, dim3(blocks(words * row_blocks, 1)), dim3(kRows), 0, ctx, boxes.as<float>(), bits, n,
         words, row_blocks, how);
  launch(nms_sweep_kernel, dim3(1), dim3(kSweepThreads), 0, ctx, bits, removed, keep.as<uint8_t>(), n, words);
}

}  // namespace cuda
}  // namespace pyapdraw
