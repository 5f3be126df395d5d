// No salt in a drawing: what ink_specks.cpp does for style `ink`, of any drawing and without knowing what is skin.
// Method: connected areas from the runs of rows (runs.h), on one thread. Workspace: 20 bytes a run of dark pixels, or
// of light ones, whichever are more, and two bytes a pixel.
#include <cstring>

#include "core/ink_tone_math.h"
#include "cpu/kernels.h"
#include "cpu/runs.h"
#include "cpu/scratch.h"

namespace pyapdraw {
namespace PA_ISA {

namespace {

using areas::Run;

// Rows of adjacent pixels, whatever the drawing's strides.
struct Copy {
  uint8_t* p;
  int64_t height, width;
  uint8_t at(int64_t y, int64_t x) const { return p[y * width + x]; }
};

template <typename Chosen>
int64_t count_runs(const Copy& c, Chosen&& chosen) {
  int64_t count = 0;
  for (int64_t y = 0; y < c.height; ++y)
    for (int64_t x = 0; x < c.width; ++x) count += chosen(y, x) && (x == 0 || !chosen(y, x - 1));
  return count;
}

// Areas of chosen pixels with fewer than `least` that count get a level.
template <typename Chosen, typename Counts>
void replace_small(const Copy& c, bool diagonal, int least, uint8_t level, Chosen&& chosen, Counts&& counts) {
  if (least == 0) return;
  const int64_t most = count_runs(c, chosen);
  const Scratch<Run> runs(most);
  const Scratch<int32_t> area(most);
  const int32_t count = areas::find_runs(c.height, c.width, diagonal, runs.get(), chosen);
  for (int32_t i = 0; i < count; ++i) area[i] = 0;
  for (int32_t i = 0; i < count; ++i) {
    const Run& r = runs[i];
    int32_t own = 0;
    for (int32_t x = r.begin; x < r.end; ++x) own += counts(r.y, x);
    area[areas::root(runs.get(), i)] += own;
  }
  for (int32_t i = 0; i < count; ++i) {
    const Run& r = runs[i];
    if (area[areas::root(runs.get(), i)] < least)
      std::memset(c.p + r.y * c.width + r.begin, level, static_cast<size_t>(r.end - r.begin));
  }
}

// The darkest within `reach` pixels of each, sides and corners.
void darkest(const Copy& c, int64_t reach, uint8_t* row, uint8_t* out) {
  for (int64_t y = 0; y < c.height; ++y) {
    std::memset(row, 255, static_cast<size_t>(c.width));
    const int64_t first = y > reach ? y - reach : 0, last = y + reach < c.height ? y + reach : c.height - 1;
    for (int64_t v = first; v <= last; ++v)
      for (int64_t x = 0; x < c.width; ++x)
        if (c.at(v, x) < row[x]) row[x] = c.at(v, x);
    uint8_t* const to = out + y * c.width;
    std::memcpy(to, row, static_cast<size_t>(c.width));
    for (int64_t d = 1; d <= reach; ++d) {
      for (int64_t x = d; x < c.width; ++x)
        if (row[x - d] < to[x]) to[x] = row[x - d];
      for (int64_t x = 0; x + d < c.width; ++x)
        if (row[x + d] < to[x]) to[x] = row[x + d];
    }
  }
}

bool near_ink(const Copy& c, int64_t y, int64_t x) {
  for (int64_t v = y > 0 ? y - 1 : 0; v <= y + 1 && v < c.height; ++v)
    for (int64_t u = x > 0 ? x - 1 : 0; u <= x + 1 && u < c.width; ++u)
      if (c.at(v, u) < sketch::kGrey) return true;
  return false;
}

}  // namespace

void remove_specks(const Tensor& drawing, int speck, int pinhole, int reach, const Context&) {
  const int64_t height = drawing.shape[0], width = drawing.shape[1];
  const Scratch<uint8_t> memory(height * width);
  const Copy c{memory.get(), height, width};
  uint8_t* const out = drawing.as<uint8_t>();
  const int64_t down = drawing.stride[0], across = drawing.stride[1];
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x) c.p[y * width + x] = out[y * down + x * across];
  const Scratch<uint8_t> wide_memory(reach > 0 ? height * width : 0), row(width);
  if (reach > 0) darkest(c, reach, row.get(), wide_memory.get());
  const Copy wide{reach > 0 ? wide_memory.get() : c.p, height, width};
  replace_small(
      c, true, speck, 255, [&](int64_t y, int64_t x) { return wide.at(y, x) < sketch::kGrey; },
      [&](int64_t y, int64_t x) { return c.at(y, x) < sketch::kInk; });
  // Light pixels alone change here, which `near_ink` does not look at.
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x)
      if (c.at(y, x) >= sketch::kGrey && c.at(y, x) != 255 && !near_ink(c, y, x)) c.p[y * width + x] = 255;
  replace_small(
      c, false, pinhole, 0, [&](int64_t y, int64_t x) { return c.at(y, x) >= sketch::kNearBlack; },
      [&](int64_t y, int64_t x) { return c.at(y, x) >= sketch::kInk; });
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x) out[y * down + x * across] = c.at(y, x);
}

}  // namespace PA_ISA
}  // namespace pyapdraw
