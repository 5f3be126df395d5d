// How a convolution is cut into tiles: boxes of pixels, the size of a tile, splits of the channels. The cheapest by an
// estimate in clocks, whose constants come from data sheets and are not measured. No property of the device at hand
// goes in, so that the order of the sums, and with it every bit of the results, is the same on all of them.
#include "cuda/modulated_conv2d.cuh"
#include "cuda/modulated_conv2d_sizes.h"

namespace pyapdraw {
namespace cuda {
namespace modconv {
namespace {

constexpr double kTensorCoreRate = 1250, kFloatRate = 128;  // multiply-adds a clock of one multiprocessor
constexpr double kStepClocks = 250;                         // at least, for a step between two barriers
constexpr double kTileClocks = 2500;                        // start and end of a tile
constexpr double kPassClocks = 4500;                        // one launch more
constexpr double kBytesAClock = 2500;                       // through the second-level cache
constexpr int kMostSplits = 16;

struct Box {
  int log_h, log_w;
};
// Of 256 pixels at most. Eight rows that are read at once lie in different banks if they are neighbours in the patch:
// of boxes four pixels wide, half of them are not.
constexpr double kNarrowCost = 1.2;
constexpr Box kBoxes[] = {{4, 4}, {3, 4}, {4, 3}, {2, 4}, {3, 3}, {4, 2}, {2, 3}, {3, 2}, {2, 2}};

void set_box(Conv* c, const Box& box, int pixels) {
  const int h = 1 << box.log_h, w = 1 << box.log_w, halo = c->taps == 1 ? 0 : c->up ? 1 : 2;
  c->log_box_h = box.log_h, c->log_box_w = box.log_w;
  c->boxes = pixels / (h * w);
  c->boxes_y = static_cast<int>(divide_up(c->rows, h)), c->boxes_x = static_cast<int>(divide_up(c->columns, w));
  c->patch_h = (h - 1) * c->stride + 1 + halo, c->patch_w = (w - 1) * c->stride + 1 + halo;
  c->tiles_m = divide_up(c->samples * c->boxes_y * c->boxes_x, c->boxes);
}

// The boxes that leave the fewest tiles, then the smallest patches, with patches of at most `pixels_left` pixels.
bool choose_box(Conv* c, int pixels, int64_t pixels_left) {
  Conv best;
  double least = -1;
  for (const Box& box : kBoxes) {
    if (1 << (box.log_h + box.log_w) > pixels) continue;
    Conv tried = *c;
    set_box(&tried, box, pixels);
    const int64_t patch = static_cast<int64_t>(tried.boxes) * tried.patch_h * tried.patch_w;
    const double cost = static_cast<double>(tried.tiles_m) * (box.log_w < 3 ? kNarrowCost : 1.0) + patch * 1e-6;
    if (patch > pixels_left || (least >= 0 && cost >= least)) continue;
    best = tried, least = cost;
  }
  if (least >= 0) *c = best;
  return least >= 0;
}

// Pixels of a patch for which there is shared memory, where a block meets `chunks` rows of channels.
int64_t patch_room(const TileSize& z, int64_t chunks) {
  const int64_t patches = max(int64_t{1}, min(chunks, int64_t{z.taps == 1 ? 3 : 2}));
  return (kSharedLimit - 1280 - 3 * static_cast<int64_t>(z.n) * z.row_bytes) / (patches * z.row_bytes + 8);
}

double clocks(const Conv& c, const TileSize& z, int item_bytes) {
  const double rate = item_bytes == 2 ? kTensorCoreRate : kFloatRate;
  const double sums = static_cast<double>(z.m) * z.n, channels = z.row_bytes / item_bytes;
  double step = sums * channels / (rate * z.efficiency);
  if (step < kStepClocks) step = kStepClocks;
  const double tiles = static_cast<double>(c.groups * c.tiles_m * c.tiles_n * c.splits);
  const double rounds = tiles <= kProcessors ? 1 : tiles / kProcessors;
  const double results = static_cast<double>(c.groups * c.samples) * c.result_rows * c.result_columns * c.outputs;
  const double partial = c.splits == 1 ? 0 : 2 * 4 * c.splits * results / kBytesAClock + (c.up ? 0 : kPassClocks);
  return rounds * (c.chunks_a_split * c.taps * step + kTileClocks) + partial;
}

template <typename T>
void choose(Conv* conv) {
  Conv best = *conv;
  double least = -1;
  for (int i = 0; i < Tiles<T>::kCount; ++i) {
    const TileSize& z = Tiles<T>::kSizes[i];
    if (z.taps != conv->taps || (z.phases == 4) != conv->up) continue;
    const int chunks = static_cast<int>(divide_up(conv->channels, z.row_bytes / static_cast<int>(sizeof(T))));
    for (int splits = 1; splits <= kMostSplits && (splits == 1 || splits <= chunks); splits *= 2) {
      Conv tried = *conv;
      tried.tile = i, tried.chunks = chunks;
      tried.tiles_n = static_cast<int>(divide_up(conv->outputs, z.n));
      tried.chunks_a_split = static_cast<int>(divide_up(chunks, splits));
      tried.splits = chunks > 0 ? static_cast<int>(divide_up(chunks, tried.chunks_a_split)) : 1;
      if (!choose_box(&tried, z.m, patch_room(z, tried.chunks_a_split))) continue;
      const double cost = clocks(tried, z, sizeof(T));
      if (least >= 0 && cost >= least) continue;
      best = tried, least = cost;
    }
  }
  *conv = best;
}

}  // namespace

void choose_tiles(DType operands, Conv* conv) {
  if (operands == DType::f32)
    choose<float>(conv);
  else
    choose<uint16_t>(conv);
}

}  // namespace modconv
}  // namespace cuda
}  // namespace pyapdraw
