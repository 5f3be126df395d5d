#pragma once
// The row pass of the distance transforms: for each pixel x of a row the column s with the least cost(value(s), x - s),
// for any metric of distance_transform_metrics.cuh.
// Method: the nearest column moves to the right with the pixel [Aggarwal et al., Geometric applications of a
// matrix-searching algorithm, 1987]: of the pixels between two whose nearest columns are known, only the columns
// between those have to be looked at. So pixels are done from coarse to fine: every 64th, every 16th, every 4th, and
// the others together with the output.
//   every 64th   a warp each. Of each block of 32 columns the least value is kept, which bounds all costs of the block
//                from below and the cost of the best from above: only blocks that can hold the best are looked at. The
//                first 16 pixels of a row search all of it, the others between two that are done.
//   the rest     a lane (while there are too few for all lanes: several) takes the three pixels of a gap, one candidate
//                after another: as many as the gap is wide, on average. Where the nearest column jumps, the candidates
//                are many: then the warp looks together, in blocks that can be nearer than the two ends.
// Time: per step all candidates of a row together are its width plus one for each gap, so that a row takes O(W) steps
// of lanes for the fine pixels, and O(W / 32 (16 + log(W / 1024))) steps of warps for the coarse ones, whatever the
// image: there is no search over the distance. tests/test_distance_transform_work.py counts them.
// Ties: the leftmost column.
// A pair of maps (kColours) is one pass. A pixel's nearest column is never beyond the first pixel of the other colour
// on either side, so the nearest columns of neighbouring runs may be out of order by one column: kSlack. Work: a block
// takes 1 to 32 rows of one band, which share the reads of the column pass; lanes run over the rows first. Shared
// memory: 5.25 bytes a column and row for 32-bit values, 9.5 for 64-bit ones; one word in 33 is left out, so that
// lanes at equal distances meet different banks. Rows of more than 96 KiB lie in scratch memory instead.
// Limits: none up to sides of 2^30.
#include <algorithm>

#include "cuda/distance_transform_metrics.cuh"

namespace pyapdraw {
namespace cuda {
namespace rows {

using columns::Columns;
using metrics::kWarp;

constexpr int kBlock = 32;  // columns that a least value stands for
constexpr int kSpan = 64;   // between coarse pixels
constexpr int kLast = 4;    // between those whose nearest column is kept
constexpr int kFirst = 16;  // coarse pixels of a row that search all of it
constexpr int kMostThreads = 512;

// How rows are shared out: blocks of 2^shift rows, all in one band.
struct Plan {
  int shift;
  int64_t groups;  // blocks of rows of one image
  char* scratch;   // rows in global memory: bytes for each block of the grid
  int64_t bytes;
};

template <typename V>
struct Found {
  V cost;
  int at;  // its column
};

// One row as it lies in memory.
template <typename V>
struct Row {
  V* value;      // of each column, 33 places for 32
  V* least;      // of each block
  int* nearest;  // column, of each fourth pixel

  __device__ V& operator[](int x) const { return value[x + (x >> 5)]; }
};

// The rows of a block.
template <typename V>
class Rows {
 public:
  const int width, blocks;

  __device__ Rows(void* memory, int width, int shift)
      : width(width),
        blocks((width + kBlock - 1) / kBlock),
        value_(static_cast<V*>(memory)),
        least_(value_ + (blocks * (kBlock + 1) << shift)),
        nearest_(reinterpret_cast<int*>(least_ + (blocks << shift))) {}
  __device__ Row<V> operator[](int r) const {
    return {value_ + r * blocks * (kBlock + 1), least_ + r * blocks, nearest_ + r * blocks * (kBlock / kLast)};
  }
  static int64_t bytes(int64_t width, int shift) {
    return ((width + kBlock - 1) / kBlock * ((kBlock + 2) * sizeof(V) + kBlock / kLast * sizeof(int))) << shift;
  }

 private:
  V *value_, *least_;
  int* nearest_;
};

__device__ inline int lane_of() { return static_cast<int>(threadIdx.x) & 31; }
__device__ inline int warp_of() { return static_cast<int>(threadIdx.x) >> 5; }
__device__ inline int warps() { return static_cast<int>(blockDim.x) >> 5; }

template <class Metric>
__device__ inline uint32_t colour_at(const Metric& metric, const Row<typename Metric::Value>& row, int x) {
  if constexpr (Metric::kColours)
    return metric.colour(row[x]);
  else
    return 0;
}

// From a pixel to a block of columns.
__device__ inline int gap(int x, int block) {
  return max(max(block * kBlock - x, x - block * kBlock - (kBlock - 1)), 0);
}

// For n pixels x of a row the nearest of the columns lo..hi; the whole warp together, and all of it is told.
template <int n, class Metric>
__device__ void find_together(const Metric& metric, const Row<typename Metric::Value>& row, const int (&x)[n], int lo,
                              int hi, Found<typename Metric::Value> (&best)[n]) {
  using V = typename Metric::Value;
  const int lane = lane_of(), last = hi / kBlock;
  uint32_t colour[n];
  V bound[n];
#pragma unroll
  for (int i = 0; i < n; ++i) {
    colour[i] = colour_at(metric, row, x[i]);
    best[i] = {metric.cost(row[lo], x[i] - lo, colour[i]), lo};
    const V other = metric.cost(row[hi], x[i] - hi, colour[i]);
    bound[i] = other < best[i].cost ? other : best[i].cost;
  }
  if (n == 1) {  // lo and hi are not near ones of neighbours
    for (int block = lo / kBlock + lane; block <= last; block += 32) {
      const int left = x[0] - block * kBlock, right = left - (kBlock - 1);  // to its ends
      const V most = metric.cost(row.least[block], max(abs(left), abs(right)), colour[0]);
      bound[0] = most < bound[0] ? most : bound[0];
    }
    bound[0] = metrics::least_of_warp(bound[0]);
  }
  for (int first = lo / kBlock; first <= last; first += 32) {
    const int block = min(first + lane, last);
    const V least = row.least[block];
    bool near = false;
#pragma unroll
    for (int i = 0; i < n; ++i) near |= !(bound[i] < metric.cost(least, gap(x[i], block), colour[i]));
    for (unsigned left = __ballot_sync(kWarp, near && first + lane <= last); left; left &= left - 1) {
      const int s = (first + __ffs(static_cast<int>(left)) - 1) * kBlock + lane;
      if (s <= lo || s > hi) continue;
      const V value = row[s];
#pragma unroll
      for (int i = 0; i < n; ++i) {
        const V cost = metric.cost(value, x[i] - s, colour[i]);
        if (cost < best[i].cost) best[i] = {cost, s};
      }
    }
  }
#pragma unroll
  for (int i = 0; i < n; ++i) {
    const V least = metrics::least_of_warp(best[i].cost);
    const unsigned at = best[i].cost == least ? static_cast<unsigned>(best[i].at) : 0x7fffffffu;
    best[i] = {least, static_cast<int>(__reduce_min_sync(kWarp, at))};
  }
}

// The pixels x + step, x + 2 step, x + 3 step of row r (beyond the row: its last one) and the columns lo..hi that can
// be their nearest.
struct Question {
  int r, x, lo, hi;

  __device__ void pixels(int step, int width, int (&at)[3]) const {
#pragma unroll
    for (int i = 0; i < 3; ++i) at[i] = min(x + (i + 1) * step, width - 1);
  }
};

// The nearer of two, the left one at ties.
template <typename V>
__device__ inline bool nearer(const Found<V>& a, const Found<V>& b) {
  return a.cost < b.cost || (a.cost == b.cost && a.at < b.at);
}

// The answers: `share` neighbouring lanes, a power of two, have the same question and share the candidates; where there
// are many, the warp looks together.
template <class Metric>
__device__ void find(const Metric& metric, const Rows<typename Metric::Value>& rows, const Question& q, int step,
                     int share, Found<typename Metric::Value> (&best)[3]) {
  using V = typename Metric::Value;
  const Row<V> row = rows[q.r];
  int x[3];
  uint32_t colour[3];
  q.pixels(step, rows.width, x);
#pragma unroll
  for (int i = 0; i < 3; ++i) {
    colour[i] = colour_at(metric, row, x[i]);
    best[i] = {metric.cost(row[q.lo], x[i] - q.lo, colour[i]), q.lo};
  }
  const int part = lane_of() & (share - 1);
  const bool alone = q.hi - q.lo < 8 * step + 12;
  if (alone)
    for (int s = q.lo + 1 + part; s <= q.hi; s += share) {
      const V value = row[s];
#pragma unroll
      for (int i = 0; i < 3; ++i) {
        const V cost = metric.cost(value, x[i] - s, colour[i]);
        if (cost < best[i].cost) best[i] = {cost, s};
      }
    }
  for (int apart = share / 2; apart > 0; apart /= 2)
#pragma unroll
    for (int i = 0; i < 3; ++i) {
      const Found<V> other{__shfl_xor_sync(kWarp, best[i].cost, apart), __shfl_xor_sync(kWarp, best[i].at, apart)};
      if (nearer(other, best[i])) best[i] = other;
    }
  for (unsigned left = __ballot_sync(kWarp, !alone && part == 0); left; left &= left - 1) {
    const int lane = __ffs(static_cast<int>(left)) - 1;
    const Question its{__shfl_sync(kWarp, q.r, lane), __shfl_sync(kWarp, q.x, lane), __shfl_sync(kWarp, q.lo, lane),
                       __shfl_sync(kWarp, q.hi, lane)};
    Found<V> found[3];
    its.pixels(step, rows.width, x);
    find_together(metric, rows[its.r], x, its.lo, its.hi, found);
#pragma unroll
    for (int i = 0; i < 3; ++i)
      if (lane_of() - part == lane) best[i] = found[i];
  }
}

// The columns of `count` rows from row y on.
template <class Metric>
__device__ void fill(const Metric& metric, const Columns& columns, const Rows<typename Metric::Value>& rows,
                     int64_t image, int y, int count) {
  for (int block = warp_of(); block < rows.blocks; block += warps()) {
    const int x = block * kBlock + lane_of();
    const bool inside = x < rows.width;
    const columns::Column column = columns::at(columns, image, y / columns::kBand, inside ? x : rows.width - 1);
    for (int r = 0; r < count; ++r) {
      const auto value = metric.value(column, y + r, columns.height);
      const auto least = metric.least(value, inside);
      if (inside) rows[r][x] = value;
      if (lane_of() == 0) rows[r].least[block] = least;
    }
  }
}

// Pixels 0, 64, 128, ...: those whose number, from 1, is a multiple of stride, all of them or (between) the odd
// multiples only.
template <class Metric>
__device__ void coarse(const Metric& metric, const Rows<typename Metric::Value>& rows, int shift, int count, int stride,
                       bool between) {
  const int pixels = (rows.width + kSpan - 1) / kSpan, end = rows.width - 1;
  const int number = between ? (pixels / stride + 1) / 2 : pixels / stride;
  for (int i = warp_of(); i < number << shift; i += warps()) {
    const int r = i & ((1 << shift) - 1), k = (between ? 2 * (i >> shift) + 1 : (i >> shift) + 1) * stride;
    if (r >= count) continue;
    const Row<typename Metric::Value> row = rows[r];
    int* const to = row.nearest + (k - 1) * (kSpan / kLast);
    int lo = 0, hi = end;
    if (between && k > stride) lo = max(to[-stride * (kSpan / kLast)] - Metric::kSlack, 0);
    if (between && k + stride <= pixels) hi = min(to[stride * (kSpan / kLast)] + Metric::kSlack, end);
    const int x[1] = {(k - 1) * kSpan};
    Found<typename Metric::Value> found[1];
    find_together(metric, row, x, lo, hi, found);
    if (lane_of() == 0) *to = found[0].at;
  }
}

// The question between pixel x of row r and the next one whose nearest column is known, 4 step further on.
template <class Metric>
__device__ Question between(const Rows<typename Metric::Value>& rows, int r, int x, int step) {
  const int* const nearest = rows[r].nearest + x / kLast;
  const int end = rows.width - 1;
  const int hi = x + 4 * step <= end ? min(nearest[4 * step / kLast] + Metric::kSlack, end) : end;
  return {r, x, max(*nearest - Metric::kSlack, 0), hi};
}

// Between pixels that are 4 step apart: the three that cut the gap in four. While there are fewer gaps than lanes,
// lanes share one.
template <class Metric>
__device__ void quarter(const Metric& metric, const Rows<typename Metric::Value>& rows, int shift, int count,
                        int step) {
  const int number = (rows.width + 3 * step - 1) / (4 * step) << shift;
  int share = 0;  // as a power of two
  while (share < 5 && number << (share + 1) <= static_cast<int>(blockDim.x)) ++share;
  for (int first = 32 * warp_of(); first < number << share; first += static_cast<int>(blockDim.x)) {
    const int i = (first + lane_of()) >> share, r = i & ((1 << shift) - 1);
    const bool mine = i < number && r < count;
    Question q{0, 0, 0, 0};
    if (mine) q = between<Metric>(rows, r, 4 * step * (i >> shift), step);
    Found<typename Metric::Value> found[3];
    find(metric, rows, q, step, 1 << share, found);
    if (!mine || (lane_of() & ((1 << share) - 1))) continue;
    int* const to = rows[r].nearest + q.x / kLast;
#pragma unroll
    for (int k = 1; k < 4; ++k)
      if (q.x + k * step < rows.width) to[k * step / kLast] = found[k - 1].at;
  }
}

// The last pixels, and the output: four neighbouring pixels a lane.
template <class Metric, class Output>
__device__ void finish(const Metric& metric, const Rows<typename Metric::Value>& rows, int shift, int count,
                       const typename Output::Place& place) {
  using V = typename Metric::Value;
  const int number = (rows.width + 3) / 4 << shift;
  for (int first = 32 * warp_of(); first < number; first += static_cast<int>(blockDim.x)) {
    const int i = first + lane_of(), r = i & ((1 << shift) - 1);
    const bool mine = i < number && r < count;
    Question q{0, 0, 0, 0};
    if (mine) q = between<Metric>(rows, r, 4 * (i >> shift), 1);
    Found<V> next[3];
    find(metric, rows, q, 1, 1, next);
    if (!mine) continue;
    const Row<V> row = rows[r];
    const int at = row.nearest[q.x / kLast], end = rows.width - 1;
    const Found<V> found[4] = {
        {metric.cost(row[at], q.x - at, colour_at(metric, row, q.x)), at}, next[0], next[1], next[2]};
    uint32_t colour[4];
#pragma unroll
    for (int k = 0; k < 4; ++k) colour[k] = colour_at(metric, row, min(q.x + k, end));
    place.put(metric, r, q.x, min(rows.width - q.x, 4), found, colour);
  }
}

// grid: blocks of rows. Output::place(image, y) gives where the rows from y on go.
template <class Metric, class Output, bool wide>
PA_KERNEL void __launch_bounds__(kMostThreads, sizeof(typename Metric::Value) == 4 ? 2 : 1)
    distance_transform_rows_kernel(Columns columns, Metric metric, Output output, Plan plan) {
  PA_SHARED(uint64_t, memory);
  void* const place = wide ? static_cast<void*>(plan.scratch + blockIdx.x * plan.bytes) : memory;
  const Rows<typename Metric::Value> rows(place, columns.width, plan.shift);
  for (int64_t group = blockIdx.x; group < plan.groups * columns.images; group += gridDim.x) {
    const int64_t image = group / plan.groups;
    const int y = static_cast<int>(group - image * plan.groups) << plan.shift;
    const int count = min(1 << plan.shift, columns.height - y);
    fill(metric, columns, rows, image, y, count);
    __syncthreads();
    int stride = 1;
    while ((columns.width + kSpan - 1) / kSpan > kFirst * stride) stride *= 2;
    bool between = false;
#pragma unroll 1  // one copy of the code, as below
    for (; stride > 0; stride /= 2, between = true) {
      coarse(metric, rows, plan.shift, count, stride, between);
      __syncthreads();
    }
#pragma unroll 1
    for (int step = kSpan / 4; step > 1; step /= 4) {
      quarter(metric, rows, plan.shift, count, step);
      __syncthreads();
    }
    finish<Metric, Output>(metric, rows, plan.shift, count, output.place(columns, image, y));
    __syncthreads();
  }
}

constexpr int64_t kBlocks = 256;  // about two for each multiprocessor of a large GPU

// So many blocks first, then rows that share their reads.
inline int shift_of(const Columns& c) {
  constexpr int64_t kPixels = 4096;
  int shift = 0;
  while (shift < 5 && c.width << (shift + 1) <= kPixels && c.images * (c.height >> (shift + 1)) >= kBlocks) ++shift;
  return shift;
}

// Both passes. sites -> wherever output puts it.
template <class Metric, class Output>
void transform(const char* op, const Tensor& sites, const Metric& metric, const Output& output, const Context& ctx) {
  constexpr int64_t kMostShared = 96 << 10, kMostScratch = 256 << 20, kMostBlocks = 512;
  Workspace scratch(ctx);
  const Columns columns = columns::take(sites, &scratch);
  Plan plan{};
  plan.shift = shift_of(columns);
  plan.groups = ((columns.height - 1) >> plan.shift) + 1;
  plan.bytes = Rows<typename Metric::Value>::bytes(columns.width, plan.shift);
  const bool wide = plan.bytes > kMostShared;
  int64_t most = 2147483647;
  if (wide) {
    most = std::min(kMostBlocks, std::max(kMostScratch / plan.bytes, int64_t{1}));
    plan.scratch = scratch.take<char>(std::min(most, plan.groups * columns.images) * plan.bytes);
  }
  if (scratch.measured(op)) return;
  columns::run(sites, columns, ctx);
  const auto kernel = wide ? distance_transform_rows_kernel<Metric, Output, true>
                           : distance_transform_rows_kernel<Metric, Output, false>;
  const unsigned grid = blocks(plan.groups * columns.images, 1, most);
  const int64_t shared = wide ? 0 : plan.bytes, pixels = static_cast<int64_t>(columns.width) << plan.shift;
  if (shared > 48 << 10)
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared)),
          "distance_transform: shared memory for a row");
  const int64_t of_warp = grid > 2 * kBlocks ? 256 : 128;  // few blocks do not hide each other's latencies: more warps
  const int64_t threads = std::min<int64_t>((pixels + of_warp - 1) / of_warp * 32, kMostThreads);
  launch(kernel, dim3(grid), dim3(static_cast<unsigned>(threads)), static_cast<size_t>(shared), ctx, columns, metric,
         output, plan);
}

}  // namespace rows
}  // namespace cuda
}  // namespace pyapdraw
