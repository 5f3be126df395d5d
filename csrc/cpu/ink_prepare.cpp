// ink, first stage: luma, the part of the crop that lies outside the photo, the person.
#include "cpu/ink.h"

namespace pyapdraw {
namespace PA_ISA {
namespace inking {

namespace {

// Exactly white pixels that hang together with the border: aligned crops are white beyond the photo.
void flood_frame(const Tensor& pixels, Sheet& s) {
  const int64_t n = s.full.width, all = cells_of(s.full);
  const int64_t sy = pixels.stride[0], sx = pixels.stride[1], sc = pixels.stride[2];
  const uint8_t* p = pixels.as<uint8_t>();
  std::memset(s.out, 0, static_cast<size_t>(all));
  auto white = [&](int64_t i) {
    const uint8_t* q = p + i / n * sy + i % n * sx;
    return (q[0] & q[sc] & q[2 * sc]) == 255;
  };
  int32_t* stack = reinterpret_cast<int32_t*>(s.score.data);  // every pixel is pushed at most once
  int64_t top = 0;
  auto push = [&](int64_t i) {
    if (!s.out[i] && white(i)) s.out[i] = 1, stack[top++] = static_cast<int32_t>(i);
  };
  for (int64_t i = 0; i < n; ++i) push(i), push(all - n + i);
  for (int64_t i = 0; i < all; i += n) push(i), push(i + n - 1);
  while (top > 0) {
    const int64_t i = stack[--top], x = i % n;
    if (x > 0) push(i - 1);
    if (x < n - 1) push(i + 1);
    if (i >= n) push(i - n);
    if (i < all - n) push(i + n);
  }
}

// Greatest convex function below edge[first..last], in place: the left side of a convex outline.
void convex_side(float* edge, int64_t first, int64_t last, int32_t* corner) {
  int64_t top = 0;
  for (int64_t y = first; y <= last; ++y) {
    while (top >= 2) {
      const int64_t a = corner[top - 2], b = corner[top - 1];
      if (bulges(a, static_cast<int64_t>(edge[a]), b, static_cast<int64_t>(edge[b]), y, static_cast<int64_t>(edge[y])))
        break;
      --top;
    }
    corner[top++] = static_cast<int32_t>(y);
  }
  for (int64_t i = 0; i + 1 < top; ++i) {
    const int64_t a = corner[i], b = corner[i + 1];
    const float from = edge[a], step = (edge[b] - edge[a]) / static_cast<float>(b - a);
    for (int64_t y = a + 1; y < b; ++y) edge[y] = from + step * static_cast<float>(y - a);
  }
}

// A photo is convex, a person before a white wall is not: what lies inside the convex hull of all that is not flooded
// is background, not outside, and keeps its edges.
void keep_hull(Sheet& s) {
  const int64_t n = s.full.width, rows = s.full.height;
  float *left = s.a.data, *right = left + rows;  // right is mirrored, so that both are left sides
  int32_t* corner = reinterpret_cast<int32_t*>(s.score.data);
  int64_t first = rows, last = -1;
  for (int64_t y = 0; y < rows; ++y) {
    const uint8_t* o = s.out + y * n;
    int64_t a = 0, b = n - 1;
    while (a < n && o[a]) ++a;
    while (b >= a && o[b]) --b;
    const bool empty = a == n;
    left[y] = empty ? static_cast<float>(n) : static_cast<float>(a);
    right[y] = empty ? static_cast<float>(n) : -static_cast<float>(b);
    if (empty) continue;
    first = first < y ? first : y;
    last = y;
  }
  if (last < 0) return;
  convex_side(left, first, last, corner);
  convex_side(right, first, last, corner);
  for (int64_t y = first; y <= last; ++y) {
    const int64_t a = static_cast<int64_t>(std::ceil(left[y])), b = static_cast<int64_t>(std::floor(-right[y]));
    if (a <= b) std::memset(s.out + y * n + a, 0, static_cast<size_t>(b - a + 1));
  }
}

// Marks with 2 what lies within r px (square) of the outside: pixels that the warp mixed with white.
void grow(Sheet& s, int64_t r) {
  const int64_t n = s.full.width, rows = s.full.height;
  uint8_t* wide = reinterpret_cast<uint8_t*>(s.work.data);
  each_row(rows, s.ctx, [&](int64_t y) {
    const uint8_t* p = s.out + y * n;
    int64_t until = -1;
    for (int64_t x = 0; x < n + r; ++x) {
      if (x < n && p[x]) until = x + 2 * r;
      if (x >= r) wide[y * n + x - r] = x <= until;
    }
  });
  each_row(rows, s.ctx, [&](int64_t y) {
    uint8_t* q = s.out + y * n;
    const int64_t last = y + r < rows ? y + r : rows - 1;
    for (int64_t v = y > r ? y - r : 0; v <= last; ++v)
      for (int64_t x = 0; x < n; ++x) q[x] = q[x] == 1 ? 1 : static_cast<uint8_t>(q[x] | 2 * wide[v * n + x]);
  });
}

// Gives the outside the tone of the nearest photo, so that no edge is there to be drawn.
void fill_outside(Sheet& s) {
  const Plane low[2] = {s.l[0], s.l[1]};
  const int64_t width = s.full.width;
  reduce_rows<2>(s.full, s.factor, low, s.ctx, [&](int64_t y, float** rows) {
    const float* t = s.tone.row(y);
    const uint8_t* o = s.out + y * width;
    for (int64_t x = 0; x < width; ++x) {
      const float in = o[x] ? 0.f : 1.f;
      rows[0][x] = in;
      rows[1][x] = in * t[x];
    }
  });
  const float f = static_cast<float>(s.factor);
  reduce_rows<2>(s.low, 4, s.c, s.ctx, [&](int64_t y, float** rows) {
    std::memcpy(rows[0], low[0].row(y), sizeof(float) * static_cast<size_t>(s.low.width));
    std::memcpy(rows[1], low[1].row(y), sizeof(float) * static_cast<size_t>(s.low.width));
  });
  for (int k = 0; k < 2; ++k) {
    blur(s.c[k], s.c[k], s.c[2], 56.f * s.scale / (4.f * f), s.ctx);
    blur(low[k], low[k], s.l[2], 4.f * s.scale / f, s.ctx);
  }
  const Enlarge up(s.full, s.factor), up_coarse(s.low, 4);
  const Plane near = s.l[1];
  each_row(s.low.height, s.ctx, [&](int64_t y) {
    Scratch<float> mix(s.coarse.width + 1), share(s.low.width), mean(s.low.width);
    up_coarse.row(s.c[0], y, mix.get(), share.get());
    up_coarse.row(s.c[1], y, mix.get(), mean.get());
    const float* w = low[0].row(y);
    float* t = near.row(y);
    for (int64_t x = 0; x < s.low.width; ++x) t[x] = tone_outside(t[x], w[x], mean[x], share[x]);
  });
  each_row(s.full.height, s.ctx, [&](int64_t y) {
    const uint8_t* o = s.out + y * width;
    const size_t bytes = static_cast<size_t>(width);
    if (!std::memchr(o, 1, bytes) && !std::memchr(o, 2, bytes)) return;
    Scratch<float> mix(s.low.width + 1), row(width);
    up.row(near, y, mix.get(), row.get());
    for (int64_t x = 0; x < width; ++x)
      if (o[x]) s.tone.row(y)[x] = row[x];
  });
}

}  // namespace

void prepare(Sheet& s, const Tensor& pixels, const Tensor& mask) {
  const int64_t n = s.full.width, rows = s.full.height;
  each_row(rows, s.ctx, [&](int64_t y) {
    const uint8_t* p = pixels.as<uint8_t>() + y * pixels.stride[0];
    const int64_t sx = pixels.stride[1], sc = pixels.stride[2];
    float* t = s.tone.row(y);
    if (sx == 3 && sc == 1)
      for (int64_t x = 0; x < n; ++x) t[x] = luma(p[3 * x], p[3 * x + 1], p[3 * x + 2]);
    else
      for (int64_t x = 0; x < n; ++x) t[x] = luma(p[x * sx], p[x * sx + sc], p[x * sx + 2 * sc]);
  });
  flood_frame(pixels, s);
  const bool outside = std::memchr(s.out, 1, static_cast<size_t>(cells_of(s.full))) != nullptr;
  if (outside) {
    keep_hull(s);
    grow(s, 2);
    fill_outside(s);
  }
  each_row(rows, s.ctx, [&](int64_t y) {
    const uint8_t *m = mask.as<uint8_t>() + y * mask.stride[0], *o = s.out + y * n;
    uint8_t* p = s.person + y * n;
    for (int64_t x = 0; x < n; ++x) p[x] = o[x] == 1 ? 0 : m[x * mask.stride[1]];
  });
}

}  // namespace inking
}  // namespace PA_ISA
}  // namespace pyapdraw
