// ink: no salt. Connected areas of ink too small to be a stroke become paper, pinholes become ink. Freckles and pores
// lie on plain skin, so that areas there must be larger to stay. Areas are found from runs of a row with union-find.
#include "core/ink_tone_math.h"
#include "cpu/ink.h"
#include "cpu/runs.h"

namespace pyapdraw {
namespace PA_ISA {
namespace inking {

using areas::find_runs;
using areas::root;
using areas::Run;

namespace {

// Light grey that borders on no ink was the edge of a speck.
void drop_fringe(Sheet& s, uint8_t* p) {
  const int64_t n = s.full.width, rows = s.full.height;
  each_row(rows, s.ctx, [&](int64_t y) {
    const uint8_t *a = p + clamp_index(y - 1, rows - 1) * n, *b = p + y * n, *c = p + clamp_index(y + 1, rows - 1) * n;
    uint8_t* column = reinterpret_cast<uint8_t*>(s.work.row(y));
    for (int64_t x = 0; x < n; ++x) {
      const uint8_t m = a[x] < b[x] ? a[x] : b[x];
      column[x] = m < c[x] ? m : c[x];
    }
  });
  each_row(rows, s.ctx, [&](int64_t y) {
    const uint8_t* column = reinterpret_cast<const uint8_t*>(s.work.row(y));
    for (int64_t x = 0; x < n; ++x) {
      const uint8_t left = column[x > 0 ? x - 1 : 0], right = column[x < n - 1 ? x + 1 : n - 1];
      const uint8_t m = left < right ? left : right;
      if ((m < column[x] ? m : column[x]) >= kGrey) p[y * n + x] = 255;
    }
  });
}

}  // namespace

void remove_specks(Sheet& s, uint8_t* p) {
  const int64_t n = s.full.width, rows = s.full.height;
  // At most (n + 1) / 2 runs of 16 bytes a row: two planes that are free by now, and a third where n is odd.
  Run* runs = reinterpret_cast<Run*>(s.a.data);
  uint32_t *area = reinterpret_cast<uint32_t*>(s.tone.data), *plain = reinterpret_cast<uint32_t*>(s.flow_tone.data);
  int32_t count = find_runs(rows, n, true, runs, [&](int64_t y, int64_t x) { return p[y * n + x] < kGrey; });
  for (int32_t i = 0; i < count; ++i) area[i] = plain[i] = 0;
  for (int32_t i = 0; i < count; ++i) {
    const Run& r = runs[i];
    uint32_t dark = 0;
    for (int32_t x = r.begin; x < r.end; ++x) dark += p[r.y * n + x] < kInk;
    area[root(runs, i)] += dark;
  }
  const float limit = speck_limit(s.style, s.pen);
  for (int32_t i = 0; i < count; ++i) {
    const Run& r = runs[i];
    const int32_t k = root(runs, i);
    if (static_cast<float>(area[k]) >= limit) continue;  // stays, whatever it lies on
    for (int32_t x = r.begin; x < r.end; ++x) {
      const int64_t cell = r.y / s.factor * s.low.width + x / s.factor;
      if (p[r.y * n + x] < kInk) plain[k] += plain_share(s.skin.data[cell], s.l[6].data[cell], s.fold.data[cell]);
    }
  }
  for (int32_t i = 0; i < count; ++i) {
    const Run& r = runs[i];
    const int32_t k = root(runs, i);
    if (is_speck(s.style, s.pen, area[k], plain[k]))
      std::memset(p + r.y * n + r.begin, 255, static_cast<size_t>(r.end - r.begin));
  }
  drop_fringe(s, p);
  count = find_runs(rows, n, false, runs, [&](int64_t y, int64_t x) { return p[y * n + x] >= kNearBlack; });
  for (int32_t i = 0; i < count; ++i) area[i] = 0;
  for (int32_t i = 0; i < count; ++i) {
    uint32_t light = 0;
    for (int32_t x = runs[i].begin; x < runs[i].end; ++x) light += p[runs[i].y * n + x] >= kInk;
    area[root(runs, i)] += light;
  }
  for (int32_t i = 0; i < count; ++i)
    if (is_pinhole(s.style, s.pen, area[root(runs, i)]))
      std::memset(p + runs[i].y * n + runs[i].begin, 0, static_cast<size_t>(runs[i].end - runs[i].begin));
}

}  // namespace inking
}  // namespace PA_ISA
}  // namespace pyapdraw
