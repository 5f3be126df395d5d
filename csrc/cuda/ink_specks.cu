// ink: no salt, csrc/cpu/ink_specks.cpp. Areas of ink, then holes, by union-find (ink_areas.cuh); four kernels each:
//   levels, fringe   the picture so far in 8 bits, with the labels of its runs
//   unite            runs that touch
//   measure          a run's first lane adds its area (and how much of it is plain skin) to its root
//   keep             small areas go
// The memory of tone and line holds the sums, person the picture after the first four.
#include "cuda/ink_areas.cuh"

namespace pyapdraw {
namespace cuda {
namespace inking {

namespace {

struct Areas {  // sums of a root
  uint32_t *area, *plain;
  __device__ void clear(int64_t i) const { area[i] = plain[i] = 0; }
};

struct Dark {
  const uint8_t* p;
  int n;
  __device__ bool operator()(int x, int y) const { return p[int64_t{y} * n + x] < sketch::kGrey; }
};
struct Light {
  const uint8_t* p;
  int n;
  __device__ bool operator()(int x, int y) const { return p[int64_t{y} * n + x] >= sketch::kNearBlack; }
};

// Labels the runs of this warp's chosen pixels.
__device__ void label_runs(const Sheet& s, const Areas& areas, const Chunk& c, bool chosen) {
  const unsigned mask = __ballot_sync(kAll, chosen);
  if (!c.there) return;
  const int64_t i = c.pixel(s.width) + 1;
  s.labels[i] = chosen ? run_label(c, mask, s.width) : -1;
  areas.clear(i);
}

PA_KERNEL void ink_levels_kernel(Sheet s, Areas areas) {
  const Chunk c = chunk_of(s.width, s.height);
  if (c.y >= s.height) return;
  uint8_t level = 255;
  if (c.there) {
    const int64_t i = c.pixel(s.width);
    if (s.out[i] != 1 && s.state->valid) level = static_cast<uint8_t>(255.f * s.strand[i] + 0.5f);
    s.drawn[i] = level;
  }
  label_runs(s, areas, c, c.there && level < sketch::kGrey);
}

template <bool kCorners, typename Chosen>
PA_KERNEL void ink_unite_kernel(Sheet s, Chosen chosen) {
  const Chunk c = chunk_of(s.width, s.height);
  if (c.there && chosen(c.x, c.y)) unite_neighbours<kCorners>(s.labels, chosen, c, s.width);
}

// Area of the pixels that count, and their plain skin where wanted.
template <bool kPlain, typename Chosen>
PA_KERNEL void ink_measure_kernel(Sheet s, Areas areas, Chosen chosen) {
  const Chunk c = chunk_of(s.width, s.height);
  if (c.y >= s.height) return;
  const bool is = c.there && chosen(c.x, c.y);
  const unsigned mask = __ballot_sync(kAll, is);
  if (mask == 0) return;
  const uint8_t level = is ? chosen.p[c.pixel(s.width)] : 0;
  const bool counts = is && (kPlain ? level < sketch::kInk : level >= sketch::kInk);
  const unsigned counted = __ballot_sync(kAll, counts);
  uint32_t plain = 0;
  const int end = run_end(mask, c.lane);
  if (kPlain) {
    uint32_t own = 0;
    if (counts) {
      const int64_t cell = int64_t{c.y / s.factor} * s.low_width + c.x / s.factor;
      own = sketch::plain_share(s.plane(kSkin)[cell], s.plane(kFeature)[cell], s.plane(kFold)[cell]);
    }
    uint32_t until = own;  // of this lane and those before
    for (int d = 1; d < 32; d *= 2) {
      const uint32_t before = __shfl_up_sync(kAll, until, d);
      if (c.lane >= d) until += before;
    }
    plain = __shfl_sync(kAll, until, is ? end : 0) - until + own;
  }
  if (!is || run_begin(mask, c.lane) != c.lane) return;
  const uint32_t run = (end == 31 ? kAll : (1u << (end + 1)) - 1) & ~((1u << c.lane) - 1);
  const int area = __popc(counted & run), top = root(s.labels, static_cast<int>(c.pixel(s.width)) + 1);
  if (area > 0) atomicAdd(&areas.area[top], static_cast<uint32_t>(area));
  if (kPlain && plain > 0) atomicAdd(&areas.plain[top], plain);
}

// Whether this chosen pixel's area goes; asked once a run.
template <bool kPlain>
__device__ bool goes(const Sheet& s, const Areas& areas, const Chunk& c, bool is) {
  const unsigned mask = __ballot_sync(kAll, is);
  const int begin = run_begin(mask, c.lane);
  int small = 0;
  if (is && begin == c.lane) {
    const int top = root(s.labels, static_cast<int>(c.pixel(s.width)) + 1);
    small = kPlain ? sketch::is_speck(s.style, s.pen, areas.area[top], areas.plain[top])
                   : sketch::is_pinhole(s.style, s.pen, areas.area[top]);
  }
  return __shfl_sync(kAll, small, begin) && is;
}

PA_KERNEL void ink_keep_strokes_kernel(Sheet s, Areas areas) {
  const Chunk c = chunk_of(s.width, s.height);
  if (c.y >= s.height) return;
  const bool is = c.there && Dark{s.drawn, s.width}(c.x, c.y);
  if (goes<true>(s, areas, c, is)) s.drawn[c.pixel(s.width)] = 255;
}

// Light grey that borders on no ink was the edge of a speck.
PA_KERNEL void ink_fringe_kernel(Sheet s, uint8_t* after, Areas areas) {
  const Chunk c = chunk_of(s.width, s.height);
  if (c.y >= s.height) return;
  uint8_t level = 0;
  if (c.there) {
    uint8_t darkest = 255;
    for (int y = max(c.y - 1, 0); y <= min(c.y + 1, s.height - 1); ++y)
      for (int x = max(c.x - 1, 0); x <= min(c.x + 1, s.width - 1); ++x) {
        const uint8_t v = s.drawn[int64_t{y} * s.width + x];
        darkest = v < darkest ? v : darkest;
      }
    level = darkest >= sketch::kGrey ? 255 : s.drawn[c.pixel(s.width)];
    after[c.pixel(s.width)] = level;
  }
  label_runs(s, areas, c, c.there && level >= sketch::kNearBlack);
}

PA_KERNEL void ink_fill_holes_kernel(Sheet s, Light light, Areas areas, Tensor drawing) {
  const Chunk c = chunk_of(s.width, s.height);
  if (c.y >= s.height) return;
  const bool is = c.there && light(c.x, c.y);
  const bool hole = goes<false>(s, areas, c, is);
  if (c.there)
    drawing.as<uint8_t>()[c.y * drawing.stride[0] + c.x * drawing.stride[1]] = hole ? 0 : light.p[c.pixel(s.width)];
}

}  // namespace

void remove_specks(const Sheet& s, const Tensor& drawing, const Context& ctx) {
  const Areas areas{reinterpret_cast<uint32_t*>(s.tone), reinterpret_cast<uint32_t*>(s.line)};
  const dim3 grid = chunk_grid(s.width, s.height), threads(kAreaThreads);
  const Dark dark{s.drawn, s.width};
  launch(ink_levels_kernel, grid, threads, 0, ctx, s, areas);
  launch(ink_unite_kernel<true, Dark>, grid, threads, 0, ctx, s, dark);
  launch(ink_measure_kernel<true, Dark>, grid, threads, 0, ctx, s, areas, dark);
  launch(ink_keep_strokes_kernel, grid, threads, 0, ctx, s, areas);
  const Light light{s.person, s.width};
  launch(ink_fringe_kernel, grid, threads, 0, ctx, s, s.person, areas);
  launch(ink_unite_kernel<false, Light>, grid, threads, 0, ctx, s, light);
  launch(ink_measure_kernel<false, Light>, grid, threads, 0, ctx, s, areas, light);
  launch(ink_fill_holes_kernel, grid, threads, 0, ctx, s, light, areas, drawing);
}

}  // namespace inking
}  // namespace cuda
}  // namespace pyapdraw
