#pragma once
// The inner products of modulated_conv2d: a block multiplies pixels of a patch with weights, both in shared memory in
// rows of kRowBytes of channels, and keeps kM x kN sums (times kPhases) in registers. 16-bit operands: tensor cores,
// one warp kWarpM x kWarpN sums. float32: fused multiply-adds, one thread kThreadM x kThreadN sums that lie kM /
// kThreadM rows and kN / kThreadN columns apart, so that lanes read neighbouring rows.
// Banks: the 16-byte chunks of a row are permuted by the row's number, so that eight neighbouring rows, which is what
// ldmatrix and eight lanes of a 16-byte load ask for at once, lie in different banks.
#include "cuda/modulated_conv2d.cuh"
#include "cuda/ptx.cuh"

namespace pyapdraw {
namespace cuda {
namespace modconv {

// The shape of a tile: kM pixels (of each phase) times kN output channels.
template <typename T, int M, int N, int RowBytes, int Taps, int Phases, int WarpM, int WarpN>
struct Shape {
  using Element = T;
  static constexpr int kM = M, kN = N, kRowBytes = RowBytes, kTaps = Taps, kPhases = Phases;
  static constexpr int kWarpM = WarpM, kWarpN = WarpN;         // 16-bit
  static constexpr int kThreadM = WarpM, kThreadN = WarpN;     // float32
  static constexpr int kChunks = RowBytes / 16;                // of a row
  static constexpr int kChannels = RowBytes / int{sizeof(T)};  // of a row
  // Blocks on a multiprocessor that registers are kept for.
  static constexpr int kBlocks = sizeof(T) == 2 && M * N * Phases <= 4096 ? 4 : 2;
  static constexpr int kStages = 3;                         // of the ring of weights
  static constexpr int kPatches = Taps == 1 ? kStages : 2;  // of the ring of patches
  static constexpr int kPitch = N + 4;                      // floats of a row of sums in shared memory
  static_assert(sizeof(T) == 4 || (M / WarpM) * (N / WarpN) * 32 == kTileThreads, "warps");
  static_assert(sizeof(T) == 2 || (M / WarpM) * (N / WarpN) == kTileThreads, "threads");

  // Where chunk c of row r lies within its row.
  __device__ static int chunk(int r, int c) { return RowBytes == 128 ? c ^ (r & 7) : c ^ (r >> 1 & 3); }
};

// The patch pixel that tap (0, 0) of output `m` of a tile meets.
__device__ inline int patch_pixel(const Conv& c, int m) {
  const int box = m >> (c.log_box_h + c.log_box_w), y = m >> c.log_box_w & ((1 << c.log_box_h) - 1),
            x = m & ((1 << c.log_box_w) - 1);
  return (box * c.patch_h + y * c.stride) * c.patch_w + x * c.stride;
}

template <class S>
struct TensorCoreSums {
  static constexpr int kRows = S::kWarpM / 16, kColumns = S::kWarpN / 8;
  static constexpr int kPlaces = kRows * S::kChunks / 2;  // that multiply() calls `between` at
  float sum[S::kPhases][kRows][kColumns][4];
  int pixel[kRows];  // of this lane's rows of the operand
  int m0, n0, lane;

  __device__ explicit TensorCoreSums(const Conv& c) {
    const int warp = threadIdx.x / 32;
    lane = threadIdx.x % 32;
    m0 = warp % (S::kM / S::kWarpM) * S::kWarpM;
    n0 = warp / (S::kM / S::kWarpM) * S::kWarpN;
#pragma unroll
    for (int i = 0; i < kRows; ++i) pixel[i] = patch_pixel(c, m0 + 16 * i + lane % 16);
#pragma unroll
    for (int p = 0; p < S::kPhases; ++p)
#pragma unroll
      for (int i = 0; i < kRows; ++i)
#pragma unroll
        for (int j = 0; j < kColumns; ++j)
#pragma unroll
          for (int r = 0; r < 4; ++r) sum[p][i][j][r] = 0;
  }

  // One row of channels: `offset` is that of the tap, in pixels of the patch. between(0 .. kPlaces - 1) is called among
  // the multiplications, for work that can hide behind them.
  template <int phase, class Between>
  __device__ void multiply(const char* patch, int offset, const char* weights, Between&& between) {
#pragma unroll
    for (int k = 0; k < S::kChunks; k += 2) {
      uint32_t a[kRows][4], b[kColumns / 2][4];
#pragma unroll
      for (int i = 0; i < kRows; ++i) {
        const int row = pixel[i] + offset;
        ldmatrix_x4(a[i], patch + row * S::kRowBytes + S::chunk(row, k + lane / 16) * 16);
      }
#pragma unroll
      for (int j = 0; j < kColumns / 2; ++j) {
        const int row = n0 + 16 * j + lane % 8 + lane / 16 * 8;
        ldmatrix_x4(b[j], weights + row * S::kRowBytes + S::chunk(row, k + lane / 8 % 2) * 16);
      }
#pragma unroll
      for (int i = 0; i < kRows; ++i) {
#pragma unroll
        for (int j = 0; j < kColumns; ++j) {
          const uint32_t column[2] = {b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]};
          mma_m16n8k16<typename S::Element>(sum[phase][i][j], a[i], column);
        }
        between(k / 2 * kRows + i);
      }
    }
  }

  __device__ void stage(int phase, float* to) const {
#pragma unroll
    for (int i = 0; i < kRows; ++i)
#pragma unroll
      for (int j = 0; j < kColumns; ++j)
#pragma unroll
        for (int r = 0; r < 4; r += 2) {
          float* pair = to + (m0 + 16 * i + lane / 4 + r * 4) * S::kPitch + n0 + 8 * j + lane % 4 * 2;
          *reinterpret_cast<float2*>(pair) = make_float2(sum[phase][i][j][r], sum[phase][i][j][r + 1]);
        }
  }
};

template <class S>
struct FloatSums {
  static constexpr int kRows = S::kThreadM, kColumns = S::kThreadN;
  static constexpr int kPlaces = 0;
  static constexpr int kRowStep = S::kM / kRows, kColumnStep = S::kN / kColumns;
  float sum[S::kPhases][kRows][kColumns];
  int pixel[kRows];
  int m0, n0;

  __device__ explicit FloatSums(const Conv& c) {
    m0 = threadIdx.x / kColumnStep;
    n0 = threadIdx.x % kColumnStep;
#pragma unroll
    for (int i = 0; i < kRows; ++i) pixel[i] = patch_pixel(c, m0 + i * kRowStep);
#pragma unroll
    for (int p = 0; p < S::kPhases; ++p)
#pragma unroll
      for (int i = 0; i < kRows; ++i)
#pragma unroll
        for (int j = 0; j < kColumns; ++j) sum[p][i][j] = 0;
  }

  template <int phase, class Between>
  __device__ void multiply(const char* patch, int offset, const char* weights, Between&&) {
#pragma unroll 2
    for (int k = 0; k < S::kChunks; ++k) {
      float4 b[kColumns];
#pragma unroll
      for (int j = 0; j < kColumns; ++j) {
        const int row = n0 + j * kColumnStep;
        b[j] = *reinterpret_cast<const float4*>(weights + row * S::kRowBytes + S::chunk(row, k) * 16);
      }
#pragma unroll
      for (int i = 0; i < kRows; ++i) {
        const int row = pixel[i] + offset;
        const float4 a = *reinterpret_cast<const float4*>(patch + row * S::kRowBytes + S::chunk(row, k) * 16);
#pragma unroll
        for (int j = 0; j < kColumns; ++j) {
          float& to = sum[phase][i][j];
          to = fmaf(a.x, b[j].x, to);
          to = fmaf(a.y, b[j].y, to);
          to = fmaf(a.z, b[j].z, to);
          to = fmaf(a.w, b[j].w, to);
        }
      }
    }
  }

  __device__ void stage(int phase, float* to) const {
#pragma unroll
    for (int i = 0; i < kRows; ++i)
#pragma unroll
      for (int j = 0; j < kColumns; ++j) to[(m0 + i * kRowStep) * S::kPitch + n0 + j * kColumnStep] = sum[phase][i][j];
  }
};

template <class S, bool kNarrow = sizeof(typename S::Element) == 2>
struct SumsOf {
  using Type = TensorCoreSums<S>;
};
template <class S>
struct SumsOf<S, false> {
  using Type = FloatSums<S>;
};

}  // namespace modconv
}  // namespace cuda
}  // namespace pyapdraw
