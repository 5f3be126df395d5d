// No salt in a drawing: what ink_specks.cpp does for style `ink`, of any drawing and without knowing what is skin.
// Method: connected areas from the runs of rows (runs.h), on one thread. Workspace: 20 bytes a run of dark pixels, or of
// light ones, whichever are more, and a byte a pixel.
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

bool near_ink(const Copy& c, int64_t y, int64_t x) {
  for (int64_t v = y > 0 ? y - 1 : 0; v <= y + 1 && v < c.height; ++v)
    for (int64_t u = x > 0 ? x - 1 : 0; u <= x + 1 && u < c.width; ++u)
      if (c.at(v, u) < sketch::kGrey) return true;
  return false;
}

}  // namespace

void remove_specks(const Tensor& drawing, int speck, int pinhole, const Context&) {
  const int64_t height = drawing.shape[0], width = drawing.shape[1];
  const Scratch<uint8_t> memory(height * width);
  const Copy c{memory.get(), height, width};
  uint8_t* const out = drawing.as<uint8_t>();
  const int64_t down = drawing.stride[0], across = drawing.stride[1];
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x) c.p[y * width + x] = out[y * down + x * across];
  replace_small(
      c, true, speck, 255, [&](int64_t y, int64_t x) { return c.at(y, x) < sketch::kGrey; },
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
