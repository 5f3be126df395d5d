#pragma once
// Connected areas of chosen pixels, by union-find over the runs of each row.
#include <cstdint>

#include "cpu/isa.h"

namespace pyapdraw {
namespace PA_ISA {
namespace areas {

struct Run {
  int32_t begin, end, parent, y;
};

inline int32_t root(Run* runs, int32_t i) {
  while (runs[i].parent != i) {
    runs[i].parent = runs[runs[i].parent].parent;
    i = runs[i].parent;
  }
  return i;
}

// At most (width + 1) / 2 runs a row. chosen(y, x); diagonal: corners touch. Returns their count; those of an area have
// the same root.
template <typename Chosen>
int32_t find_runs(int64_t height, int64_t width, bool diagonal, Run* runs, Chosen&& chosen) {
  int32_t count = 0, above = 0, above_end = 0;
  const int32_t touch = diagonal ? 1 : 0;
  for (int64_t y = 0; y < height; ++y) {
    const int32_t first = count;
    for (int64_t x = 0; x < width;) {
      if (!chosen(y, x)) {
        ++x;
        continue;
      }
      Run r{static_cast<int32_t>(x), 0, count, static_cast<int32_t>(y)};
      while (x < width && chosen(y, x)) ++x;
      r.end = static_cast<int32_t>(x);
      runs[count++] = r;
    }
    int32_t k = above;
    for (int32_t i = first; i < count; ++i) {
      while (k < above_end && runs[k].end + touch <= runs[i].begin) ++k;
      for (int32_t j = k; j < above_end && runs[j].begin < runs[i].end + touch; ++j) {
        const int32_t a = root(runs, i), b = root(runs, j);
        if (a < b) runs[b].parent = a;
        if (b < a) runs[a].parent = b;
      }
    }
    above = first;
    above_end = count;
  }
  return count;
}

}  // namespace areas
}  // namespace PA_ISA
}  // namespace pyapdraw
