#pragma once
// The matrix kernel of modulated_conv2d: an implicit GEMM of channel-last operands. A block computes kM pixels x kN
// output channels. Pixels are boxes of the image, so that for a row of channels (128 bytes) their neighbourhood, the
// patch, is copied into shared memory once and serves all nine taps: a tap is an offset into the patch. Copies are
// asynchronous (16 bytes each): weights of a tap two steps ahead in a ring of three, the next patch in parts, one with
// each tap. What lies outside the image is copied as zeros. Each pixel's offset in global memory is worked out once, in
// a table. Up-sampling: the transposed convolution of stride 2 is four convolutions with 4, 2, 2 and 1 taps that write
// the even and odd samples: nine taps over one patch into four sets of sums, kM cells of 2x2 outputs. The sums go
// through shared memory, so that a thread stores 16 bytes of channels. With splits of the channels the sums of each go
// to Conv::partial, and the filter pass adds them up in order: no atomics, the same bits every time.
#include "cuda/modulated_conv2d_sizes.h"
#include "cuda/modulated_conv2d_sums.cuh"

namespace pyapdraw {
namespace cuda {
namespace modconv {

constexpr int kMostBoxes = 16;

// Shared memory of a tile, in this order; the sums later take the place of the first two.
template <class S>
struct Layout {
  int patch_bytes, weights, table, total;
  PYAPDRAW_DEVICE explicit Layout(const Conv& c) {
    patch_bytes = c.boxes * c.patch_h * c.patch_w * S::kRowBytes;
    weights = (c.chunks_a_split < S::kPatches ? max(c.chunks_a_split, 1) : S::kPatches) * patch_bytes;
    const int operands = weights + S::kStages * S::kN * S::kRowBytes;
    const int sums = S::kM * S::kPitch * static_cast<int>(sizeof(float));
    table = static_cast<int>(round_up(operands > sums ? operands : sums, 16));
    total = table + patch_bytes / S::kRowBytes * static_cast<int>(sizeof(int64_t));
  }
};

// Which tap a step of the transposed convolution takes: those that meet the same pixel follow one another.
template <class S>
struct Tap {
  int y, x;
  __device__ explicit Tap(int step) {
    const int shift = step < 4 ? 0 : step < 6 ? 1 : step < 8 ? 2 : 3, at = step < 4 ? step : step < 8 ? step % 2 : 0;
    y = S::kPhases == 1 ? step / 3 : shift == 0 ? at / 2 : shift == 1 ? at : 2;
    x = S::kPhases == 1 ? step % 3 : shift == 0 ? at % 2 : shift == 2 ? at : shift == 1 ? 2 : 2;
  }
  __device__ int index() const { return S::kTaps == 1 ? 0 : y * 3 + x; }
  __device__ int phase() const { return S::kPhases == 1 ? 0 : y % 2 * 2 + x % 2; }
  // Of the patch pixel it meets.
  __device__ int offset(int patch_w) const {
    if (S::kTaps == 1) return 0;
    return S::kPhases == 1 ? y * patch_w + x : (1 - y / 2) * patch_w + 1 - x / 2;
  }
};

template <class S>
class TileCopy {
 public:
  using T = typename S::Element;
  __device__ TileCopy(const Conv& c, const Layout<S>& layout, char* memory, int64_t group, int n0)
      : c_(c), layout_(layout), memory_(memory), table_(reinterpret_cast<const int64_t*>(memory + layout.table)) {
    const int row = threadIdx.x / S::kChunks;
    chunk_ = threadIdx.x % S::kChunks;
    rows_left_ = c.outputs - n0 - row;
    row_step_ = static_cast<int64_t>(kTileThreads / S::kChunks) * c.taps * c.channels;
    weights_ =
        static_cast<const T*>(c.weight) + group * c.weight_n + static_cast<int64_t>(n0 + row) * c.taps * c.channels;
  }
  __device__ char* patch(int slot) const { return memory_ + slot * layout_.patch_bytes; }
  __device__ char* weights(int slot) const { return memory_ + layout_.weights + slot * S::kN * S::kRowBytes; }

  // Row of channels number `chunk` of tap `tap` of all output channels of the tile.
  __device__ void copy_weights(int slot, int chunk, int tap) const {
    constexpr int kRows = kTileThreads / S::kChunks;
    const int channel = chunk * S::kChannels + chunk_ * (S::kChannels / S::kChunks), row = threadIdx.x / S::kChunks;
    const T* from = weights_ + static_cast<int64_t>(tap) * c_.channels + channel;
    char* to = weights(slot);
#pragma unroll
    for (int j = 0; j < S::kN / kRows; ++j) {
      const bool there = j * kRows < rows_left_ && channel < c_.channels;
      const int r = row + j * kRows;
      cp_async16(to + r * S::kRowBytes + S::chunk(r, chunk_) * 16, there ? from + j * row_step_ : c_.weight, there);
    }
  }
  // 16-byte chunks [first, last) of the patch of row `chunk` of channels.
  __device__ void copy_patch(int slot, int chunk, int first, int last) const {
    const T* x = static_cast<const T*>(c_.x);
    char* to = patch(slot);
    for (int q = first + static_cast<int>(threadIdx.x); q < last; q += kTileThreads) {
      const int pixel = q / S::kChunks, at = q % S::kChunks;
      const int channel = chunk * S::kChannels + at * (S::kChannels / S::kChunks);
      const int64_t offset = table_[pixel];
      const bool there = offset != kOutside && channel < c_.channels;
      cp_async16(to + pixel * S::kRowBytes + S::chunk(pixel, at) * 16, there ? x + offset + channel : x, there);
    }
  }

 private:
  const Conv& c_;
  const Layout<S>& layout_;
  char* memory_;
  const int64_t* table_;
  const T* weights_;
  int64_t row_step_;
  int chunk_, rows_left_;
};

// The boxes of this tile (n < 0: none left), and where each pixel of their patches lies.
__device__ inline void find_pixels(const Conv& c, int64_t group, int64_t tile_m, Pixel* box, int64_t* table) {
  if (static_cast<int>(threadIdx.x) < c.boxes) {
    const int64_t b = tile_m * c.boxes + threadIdx.x, a_sample = static_cast<int64_t>(c.boxes_y) * c.boxes_x;
    const int64_t n = b / a_sample;
    const int in_sample = static_cast<int>(b - n * a_sample);
    box[threadIdx.x].n = n < c.samples ? n + group : -1;
    box[threadIdx.x].y = in_sample / c.boxes_x << c.log_box_h;
    box[threadIdx.x].x = in_sample % c.boxes_x << c.log_box_w;
  }
  __syncthreads();
  const int a_box = c.patch_h * c.patch_w;
  for (int p = threadIdx.x; p < c.boxes * a_box; p += kTileThreads) {
    const Pixel at = box[p / a_box];
    const int y = at.y * c.stride - c.pad + p % a_box / c.patch_w, x = at.x * c.stride - c.pad + p % a_box % c.patch_w;
    const bool inside = at.n >= 0 && y >= 0 && y < c.height && x >= 0 && x < c.width;
    table[p] = inside ? at.n * c.x_n + y * c.x_y + x * c.x_x : kOutside;
  }
  __syncthreads();
}

// Sums of one phase, in shared memory, to where they go.
template <class S>
__device__ void store_tile(const Conv& c, const Finish& f, const Pixel* box, const float* sums, int n0, int phase) {
  using T = typename S::Element;
  for (int q = threadIdx.x; q < S::kM * (S::kN / kVector); q += kTileThreads) {
    const int m = f.planes ? q % S::kM : q / (S::kN / kVector);
    const int v = f.planes ? q / S::kM : q % (S::kN / kVector), first = n0 + v * kVector;
    Pixel at = box[m >> (c.log_box_h + c.log_box_w)];
    if (at.n < 0 || first >= c.outputs) continue;
    at.y += m >> c.log_box_w & ((1 << c.log_box_h) - 1);
    at.x += m & ((1 << c.log_box_w) - 1);
    if (S::kPhases == 4) at.y = 2 * at.y + phase / 2, at.x = 2 * at.x + phase % 2;
    if (at.y >= c.result_rows || at.x >= c.result_columns) continue;
    const float4* from = reinterpret_cast<const float4*>(sums + m * S::kPitch + v * kVector);
    const float4 a = from[0], b = from[1];
    if (c.partial) {
      const int64_t pixel = (at.n * c.result_rows + at.y) * c.result_columns + at.x;
      float4* to = reinterpret_cast<float4*>(c.partial + blockIdx.y * c.partial_split +
                                             pixel * padded_outputs(c.outputs) + first);
      to[0] = a, to[1] = b;
      continue;
    }
    const float values[kVector] = {a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w};
    store_finished<T>(f, at, first, values);
  }
}

// The set of sums is a constant in each branch, as registers need it.
template <class S, class Sums>
__device__ void multiply_tap(Sums& sums, int phase, const char* patch, int offset, const char* weights) {
  if (S::kPhases == 1 || phase == 0) return sums.template multiply<0>(patch, offset, weights);
  if constexpr (S::kPhases == 4) {
    if (phase == 1) return sums.template multiply<1>(patch, offset, weights);
    if (phase == 2) return sums.template multiply<2>(patch, offset, weights);
    sums.template multiply<3>(patch, offset, weights);
  }
}

// All steps: kTaps of them for every row of channels of this split.
template <class S, class Sums>
__device__ void multiply_tile(const Conv& c, const TileCopy<S>& copy, Sums& sums) {
  constexpr int kAhead = S::kStages - 1;                             // steps that weights are copied before their use
  constexpr int kParts = S::kTaps == 1 ? 1 : S::kTaps - kAhead + 1;  // of a patch: all there when its first tap is due
  const int begin = blockIdx.y * c.chunks_a_split;
  const int end = begin + c.chunks_a_split < c.chunks ? begin + c.chunks_a_split : c.chunks;
  const int patch_chunks = c.boxes * c.patch_h * c.patch_w * S::kChunks;
  const int part = (patch_chunks + kParts - 1) / kParts;
  int next_chunk = begin, next_step = 0, next_slot = 0;  // of the weights to be copied next
  const auto copy_next = [&] {
    if (next_chunk < end) {
      copy.copy_weights(next_slot, next_chunk, Tap<S>(next_step).index());
      if (S::kTaps == 1) copy.copy_patch(next_slot, next_chunk, 0, patch_chunks);
    }
    if (++next_step == S::kTaps) next_step = 0, ++next_chunk;
    next_slot = next_slot + 1 == S::kStages ? 0 : next_slot + 1;
  };
  if (S::kTaps > 1) copy.copy_patch(0, begin, 0, patch_chunks);
  for (int s = 0; s < kAhead; ++s) {
    copy_next();
    cp_async_commit();
  }
  int slot = 0, patch = 0;
  for (int chunk = begin; chunk < end; ++chunk) {
    for (int step = 0; step < S::kTaps; ++step) {
      cp_async_wait<kAhead - 1>();
      __syncthreads();
      copy_next();
      if (S::kTaps > 1 && step < kParts && chunk + 1 < end)
        copy.copy_patch(1 - patch, chunk + 1, step * part, min((step + 1) * part, patch_chunks));
      cp_async_commit();
      const Tap<S> tap(step);
      multiply_tap<S>(sums, tap.phase(), copy.patch(S::kTaps == 1 ? slot : patch), tap.offset(c.patch_w),
                      copy.weights(slot));
      slot = slot + 1 == S::kStages ? 0 : slot + 1;
    }
    patch = 1 - patch;
  }
  cp_async_wait<0>();
  __syncthreads();  // the sums may now take the operands' place
}

template <class S>
PA_KERNEL void __launch_bounds__(kTileThreads) modulated_conv2d_tile_kernel(Conv c, Finish f) {
  PA_SHARED(uint4, shared);
  __shared__ Pixel box[kMostBoxes];
  char* memory = reinterpret_cast<char*>(shared);
  const Layout<S> layout(c);
  const int64_t tile_m = blockIdx.x / c.tiles_n % c.tiles_m, group = blockIdx.x / c.tiles_n / c.tiles_m;
  const int n0 = static_cast<int>(blockIdx.x % c.tiles_n) * S::kN;
  find_pixels(c, group, tile_m, box, reinterpret_cast<int64_t*>(memory + layout.table));
  typename SumsOf<S>::Type sums(c);
  const TileCopy<S> copy(c, layout, memory, group, n0);
  multiply_tile(c, copy, sums);
#pragma unroll
  for (int phase = 0; phase < S::kPhases; ++phase) {
    if (phase > 0) __syncthreads();  // the phase before has been stored
    sums.stage(phase, reinterpret_cast<float*>(memory));
    __syncthreads();
    store_tile<S>(c, f, box, reinterpret_cast<const float*>(memory), n0, phase);
  }
}

template <class S>
void launch_tile(const Conv& c, const Finish& f, const Context& ctx) {
  const auto kernel = modulated_conv2d_tile_kernel<S>;
  const int bytes = Layout<S>(c).total;
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kSharedLimit), "modulated_conv2d");
  launch(kernel, dim3(blocks(c.groups * c.tiles_m * c.tiles_n, 1), static_cast<unsigned>(c.splits)), dim3(kTileThreads),
         static_cast<size_t>(bytes), ctx, c, f);
}

template <typename T, int kIndex = 0>
void launch_tiles(const Conv& c, const Finish& f, const Context& ctx) {
  if constexpr (kIndex < Tiles<T>::kCount) {
    constexpr TileSize z = Tiles<T>::kSizes[kIndex];
    if (c.tile != kIndex) return launch_tiles<T, kIndex + 1>(c, f, ctx);
    launch_tile<Shape<T, z.m, z.n, z.row_bytes, z.taps, z.phases, z.part_m, z.part_n>>(c, f, ctx);
  }
}

}  // namespace modconv
}  // namespace cuda
}  // namespace pyapdraw
