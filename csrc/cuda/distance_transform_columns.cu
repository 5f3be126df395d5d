// The column pass of the distance transforms: what it keeps is described in distance_transform_columns.cuh.
// Method: a block takes 32 columns, a warp of it a band, a lane a column, so that a warp reads whole sectors of a row.
// The words of up to 32 bands meet in shared memory, where each warp looks for the end of the run that its neighbour
// band begins; taller images take several rounds, down for `above` and up for `below`, each handing its end to the
// next. Shared memory: 4 KiB. Limits: none up to sides of 2^30; columns further apart than a byte are read a sector a
// pixel.
#include "cuda/distance_transform_columns.cuh"

namespace pyapdraw {
namespace cuda {
namespace columns {
namespace {

constexpr int kWarps = 32;  // bands of a round

// Up to 32 rows of a column.
__device__ inline uint32_t pack(const uint8_t* in, int64_t step, int rows) {
  uint32_t bits = 0;
  if (rows >= kBand) {
#pragma unroll
    for (int j = 0; j < kBand; ++j) bits |= static_cast<uint32_t>(in[j * step] != 0) << j;
  } else {
    for (int j = 0; j < rows; ++j) bits |= static_cast<uint32_t>(in[j * step] != 0) << j;
  }
  return bits;
}

// A round: the words of `count` bands from band `first` on, those of one column `kBand` apart.
struct Round {
  const uint32_t* word;
  int first, count;
  __device__ uint32_t operator[](int i) const { return word[i * kBand]; }
};

// `above` of band i of a round (i = count: of the first band of the next), given that of its first band.
__device__ inline uint32_t above_band(const Round& round, int i, uint32_t of_first) {
  if (i == 0) return of_first;
  const uint32_t colour = round[i - 1] >> (kBand - 1);
  for (int k = i - 1; k >= 0; --k) {
    const uint32_t other = of_colour(round[k], 1 - colour);
    if (other)
      return static_cast<uint32_t>((round.first + k + 1) * kBand - __clz(static_cast<int>(other))) << 1 | colour;
  }
  if (round.first == 0) return colour;
  return (of_first & 1) == colour ? of_first : static_cast<uint32_t>(round.first * kBand) << 1 | colour;
}

// `below` of band i of a round (i = -1: of the last band of the round before), given that of its last band.
__device__ inline uint32_t below_band(const Round& round, int i, uint32_t of_last, int height) {
  if (i + 1 == round.count) return of_last;
  const uint32_t colour = round[i + 1] & 1;
  const int end = (round.first + round.count) * kBand;
  for (int k = i + 1; k < round.count; ++k) {
    uint32_t other = of_colour(round[k], 1 - colour);
    const int rows = height - (round.first + k) * kBand;
    if (rows < kBand) other &= (1u << rows) - 1;
    if (other) return static_cast<uint32_t>((round.first + k) * kBand + __ffs(static_cast<int>(other))) << 1 | colour;
  }
  if (end >= height) return colour;
  return (of_last & 1) == colour ? of_last : static_cast<uint32_t>(end + 1) << 1 | colour;
}

// One stripe of columns of one image, from the top to the bottom and back.
__device__ inline void stripe(const uint8_t* in, int64_t row_step, const Columns& columns, int64_t plane, bool inside,
                              uint32_t (*word)[kBand]) {
  const int lane = static_cast<int>(threadIdx.x), warp = static_cast<int>(threadIdx.y);
  const int warps = static_cast<int>(blockDim.y);
  const int last = (columns.bands - 1) / warps * warps;
  uint32_t beyond = 0;
  for (int first = 0; first <= last; first += warps) {
    const int band = first + warp;
    const bool mine = inside && band < columns.bands;
    const int64_t to = plane + static_cast<int64_t>(band) * columns.width;
    word[warp][lane] =
        mine ? pack(in + static_cast<int64_t>(band) * kBand * row_step, row_step, columns.height - band * kBand) : 0;
    __syncthreads();
    const Round round{&word[0][lane], first, min(warps, columns.bands - first)};
    if (mine) {
      columns.bits[to] = word[warp][lane];
      columns.above[to] = above_band(round, warp, beyond);
    }
    if (first < last) {
      beyond = above_band(round, warps, beyond);
      __syncthreads();
    }
  }
  beyond = 0;
  for (int first = last; first >= 0; first -= warps) {
    const int band = first + warp;
    const bool mine = inside && band < columns.bands;
    const int64_t to = plane + static_cast<int64_t>(band) * columns.width;
    if (first < last) {
      word[warp][lane] = mine ? columns.bits[to] : 0;
      __syncthreads();
    }
    const Round round{&word[0][lane], first, min(warps, columns.bands - first)};
    if (mine) columns.below[to] = below_band(round, warp, beyond, columns.height);
    beyond = below_band(round, -1, beyond, columns.height);
    __syncthreads();
  }
}

// grid (stripes of 32 columns, images), block (32 lanes, bands of a round)
PA_KERNEL void distance_transform_columns_kernel(Images sites, Columns columns) {
  __shared__ uint32_t word[kWarps][kBand];
  const int x = static_cast<int>(blockIdx.x * kBand + threadIdx.x);
  const bool inside = x < columns.width;
  for (int64_t image = blockIdx.y; image < columns.images; image += gridDim.y) {
    const uint8_t* in = sites.image<uint8_t>(image) + (inside ? x : 0) * sites.column;
    stripe(in, sites.row, columns, image * columns.bands * columns.width + x, inside, word);
  }
}

}  // namespace

void run(const Tensor& sites, const Columns& columns, const Context& ctx) {
  const unsigned warps = static_cast<unsigned>(columns.bands < kWarps ? columns.bands : kWarps);
  launch(distance_transform_columns_kernel, dim3(blocks(columns.width, kBand), blocks(columns.images, 1, 65535)),
         dim3(kBand, warps), 0, ctx, Images(sites), columns);
}

}  // namespace columns
}  // namespace cuda
}  // namespace pyapdraw
