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
    const int parts = c.boxes * c.patch_h * c.patch_w / (kTileThreads / S::kChunks) + 2;  // the last is read, not used
    total = table + parts * (kTileThreads / S::kChunks) * static_cast<int>(sizeof(uint64_t));
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

// The copies of a block, kRows rows of shared memory at once, 16 bytes a thread: a step's are begun, and then made one
// by one between the multiplications.
template <class S>
class TileCopy {
 public:
  using T = typename S::Element;
  static constexpr int kRows = kTileThreads / S::kChunks, kWeightParts = S::kN / kRows;

  __device__ TileCopy(const Conv& c, const Layout<S>& layout, char* memory, int64_t group, int n0)
      : c_(c), layout_(layout), memory_(memory), pixels_(c.boxes * c.patch_h * c.patch_w) {
    row_ = threadIdx.x / S::kChunks;
    const int chunk = threadIdx.x % S::kChunks;
    first_channel_ = chunk * (S::kChannels / S::kChunks);
    place_ =
        row_ * S::kRowBytes + S::chunk(row_, chunk) * 16;  // kRows further down the same chunk is at the same place
    table_ = reinterpret_cast<const uint64_t*>(memory + layout.table) + row_;
    rows_left_ = c.outputs - n0 - row_;
    row_step_ = static_cast<int64_t>(kRows) * c.taps * c.channels;
    weights_ = static_cast<const T*>(c.weight) + group * c.weight_n;
    if (rows_left_ > 0) weights_ += static_cast<int64_t>(n0 + row_) * c.taps * c.channels;
  }
  __device__ char* patch(int slot) const { return memory_ + slot * layout_.patch_bytes; }
  __device__ char* weights(int slot) const { return memory_ + layout_.weights + slot * S::kN * S::kRowBytes; }
  __device__ int patch_parts() const { return (pixels_ + kRows - 1) / kRows; }

  // Row of channels number `chunk` of tap `tap` of all output channels of the tile, in kWeightParts parts.
  __device__ void begin_weights(int slot, int chunk, int tap, bool left) {
    const int channel = chunk * S::kChannels + first_channel_;
    weights_there_ = left && channel < c_.channels;  // zeros behind the last step, which nothing reads
    weights_from_ = weights_ + (weights_there_ ? static_cast<int64_t>(tap) * c_.channels + channel : 0);
    weights_to_ = weights(slot) + place_;
  }
  __device__ void copy_weights(int part) const {
    const bool there = weights_there_ && part * kRows < rows_left_;
    cp_async16(weights_to_ + part * kRows * S::kRowBytes, weights_from_ + (there ? part * row_step_ : 0), there);
  }
  // Parts [first, last) of the patch of row `chunk` of channels.
  __device__ void begin_patch(int slot, int chunk, int first, int last) {
    const int channel = chunk * S::kChannels + first_channel_;
    patch_bytes_ = channel < c_.channels ? channel * int{sizeof(T)} : -1;
    patch_to_ = patch(slot) + place_;
    part_ = first < last ? first : last, last_part_ = last;  // the table ends soon behind the last
  }
  __device__ bool patch_left() const { return part_ < last_part_; }
  __device__ void copy_patch() {  // the next part, if one is left: no branch
    const bool want = patch_left() && part_ * kRows + row_ < pixels_;
    const int pixel = part_ * kRows;
    const uint64_t at = table_[pixel];
    const bool there = at != 0 && patch_bytes_ >= 0 && want;
    const uint64_t from = there ? at + static_cast<uint64_t>(patch_bytes_) : reinterpret_cast<uint64_t>(c_.x);
    cp_async16_where(want, patch_to_ + pixel * S::kRowBytes, reinterpret_cast<const void*>(from), there);
    part_ += part_ < last_part_ ? 1 : 0;
  }

 private:
  const Conv& c_;
  const Layout<S>& layout_;
  char* memory_;
  const uint64_t* table_;
  const T *weights_, *weights_from_ = nullptr;
  char *weights_to_ = nullptr, *patch_to_ = nullptr;
  int64_t row_step_;
  int pixels_, row_, first_channel_, place_, rows_left_, patch_bytes_ = 0, part_ = 0, last_part_ = 0;
  bool weights_there_ = false;
};

// The boxes of this tile (n < 0: none left), and the address of each pixel of their patches, 0 outside the image.
template <typename T>
__device__ void find_pixels(const Conv& c, int64_t group, int64_t tile_m, Pixel* box, uint64_t* table) {
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
    const T* pixel = static_cast<const T*>(c.x);
    table[p] = inside ? reinterpret_cast<uint64_t>(pixel + at.n * c.x_n + y * c.x_y + x * c.x_x) : 0;
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
template <class S, class Sums, class Between>
__device__ void multiply_tap(Sums& sums, int phase, const char* patch, int offset, const char* weights,
                             Between&& between) {
  if (S::kPhases == 1 || phase == 0) return sums.template multiply<0>(patch, offset, weights, between);
  if constexpr (S::kPhases == 4) {
    if (phase == 1) return sums.template multiply<1>(patch, offset, weights, between);
    if (phase == 2) return sums.template multiply<2>(patch, offset, weights, between);
    sums.template multiply<3>(patch, offset, weights, between);
  }
}

// Counts chunk, step and slot of what is copied next.
template <class S>
struct Ahead {
  int chunk, end, step = 0, slot = 0;
  __device__ bool left() const { return chunk < end; }
  __device__ void advance() {
    if (++step == S::kTaps) step = 0, ++chunk;
    slot = slot + 1 == S::kStages ? 0 : slot + 1;
  }
};

// All steps: kTaps of them for every row of channels of this split.
template <class S, class Sums>
__device__ void multiply_tile(const Conv& c, TileCopy<S>& copy, Sums& sums) {
  constexpr int kAhead = S::kStages - 1;                             // steps that weights are copied before their use
  constexpr int kParts = S::kTaps == 1 ? 1 : S::kTaps - kAhead + 1;  // of a patch: all there when its first tap is due
  const int begin = blockIdx.y * c.chunks_a_split;
  const int end = begin + c.chunks_a_split < c.chunks ? begin + c.chunks_a_split : c.chunks;
  const int all = copy.patch_parts(), a_step = (all + kParts - 1) / kParts;
  Ahead<S> next{begin, end};
  const auto begin_next = [&](int chunk, int step, int patch) {
    copy.begin_weights(next.slot, next.chunk, Tap<S>(next.step).index(), next.left());
    if (S::kTaps == 1)
      copy.begin_patch(next.slot, next.chunk, 0, next.left() ? all : 0);
    else
      copy.begin_patch(patch, chunk, step * a_step, chunk < end ? min((step + 1) * a_step, all) : 0);
  };
  const auto copy_rest = [&](int weights_from) {
    for (int part = weights_from; part < TileCopy<S>::kWeightParts; ++part) copy.copy_weights(part);
#pragma unroll 1
    while (copy.patch_left()) copy.copy_patch();
    cp_async_commit();
    next.advance();
  };
  for (int s = 0; s < kAhead; ++s) {
    begin_next(begin, 0, 0);
    if (S::kTaps > 1) copy.begin_patch(0, begin, 0, s == 0 ? all : 0);
    copy_rest(0);
  }
  int slot = 0, patch = 0;
  for (int chunk = begin; chunk < end; ++chunk) {
#pragma unroll 1
    for (int step = 0; step < S::kTaps; ++step) {
      cp_async_wait<kAhead - 1>();
      __syncthreads();
      begin_next(chunk + 1, step, 1 - patch);
      const Tap<S> tap(step);
      multiply_tap<S>(sums, tap.phase(), copy.patch(S::kTaps == 1 ? slot : patch), tap.offset(c.patch_w),
                      copy.weights(slot), [&](int place) {
                        if (place % 4 == 1) copy.copy_patch();
                        if (place % 2 == 0 && place / 2 < TileCopy<S>::kWeightParts) copy.copy_weights(place / 2);
                      });
      copy_rest((Sums::kPlaces + 1) / 2);
      slot = slot + 1 == S::kStages ? 0 : slot + 1;
    }
    patch = 1 - patch;
  }
  cp_async_wait<0>();
  __syncthreads();  // the sums may now take the operands' place
}

template <class S>
PA_KERNEL void __launch_bounds__(kTileThreads, S::kBlocks) modulated_conv2d_tile_kernel(Conv c, Finish f) {
  PA_SHARED(uint4, shared);
  __shared__ Pixel box[kMostBoxes];
  char* memory = reinterpret_cast<char*>(shared);
  const Layout<S> layout(c);
  const int64_t tile_m = blockIdx.x / c.tiles_n % c.tiles_m, group = blockIdx.x / c.tiles_n / c.tiles_m;
  const int n0 = static_cast<int>(blockIdx.x % c.tiles_n) * S::kN;
  find_pixels<typename S::Element>(c, group, tile_m, box, reinterpret_cast<uint64_t*>(memory + layout.table));
  typename SumsOf<S>::Type sums(c);
  TileCopy<S> copy(c, layout, memory, group, n0);
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
