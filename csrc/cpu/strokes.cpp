// The strokes of a pen on a page, with one pixel of anti-aliasing: page = min(page, 255 (1 - cover)), where cover is
// that of the stroke which covers a pixel most (core/strokes_math.h). A stroke is a segment whose width changes
// linearly; its ends are round. A point that is joined with none is a dot. Method: rows are dealt out in bands; each
// goes through all segments that can touch it. Points that are not finite draw nothing. Numerics: float32; the darkest
// stroke wins, so that the order does not matter.
#include "core/strokes_math.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"

namespace pyapdraw {
namespace PA_ISA {

namespace {

constexpr int64_t kBand = 16;  // rows

pen::Point point_at(const float* p, int64_t i) {
  return {p[4 * i], p[4 * i + 1], p[4 * i + 2], i > 0 && p[4 * i + 3] != 0.f};
}

bool finite(const pen::Point& p) { return std::isfinite(p.x) && std::isfinite(p.y) && std::isfinite(p.width); }

// First and last (beyond it) of the pixels between low - reach and high + reach, cut to [begin, end).
void pixels_between(float low, float high, float reach, int64_t begin, int64_t end, int64_t* first, int64_t* last) {
  const float limit = static_cast<float>(end), least = static_cast<float>(begin);
  *first = static_cast<int64_t>(pen::clamped(std::ceil(low - reach), least, limit));
  *last = static_cast<int64_t>(pen::clamped(std::floor(high + reach) + 1.f, least, limit));
}

void draw(const pen::Point& a, const pen::Point& b, const Tensor& page, int64_t begin, int64_t end) {
  if (!finite(a) || !finite(b)) return;
  const float reach = pen::reach(a, b);
  int64_t x0, x1, y0, y1;
  pixels_between(a.y < b.y ? a.y : b.y, a.y > b.y ? a.y : b.y, reach, begin, end, &y0, &y1);
  if (y0 >= y1) return;
  pixels_between(a.x < b.x ? a.x : b.x, a.x > b.x ? a.x : b.x, reach, 0, page.shape[1], &x0, &x1);
  for (int64_t y = y0; y < y1; ++y) {
    uint8_t* row = page.as<uint8_t>() + y * page.stride[0];
    for (int64_t x = x0; x < x1; ++x) {
      uint8_t& pixel = row[x * page.stride[1]];
      const int paper = pen::paper(pen::cover(a, b, static_cast<float>(x), static_cast<float>(y)));
      if (paper < pixel) pixel = static_cast<uint8_t>(paper);
    }
  }
}

}  // namespace

void strokes(const Tensor& points, const Tensor& page, const Context& ctx) {
  const float* p = points.as<float>();
  const int64_t count = points.shape[0];
  parallel_for(page.shape[0], kBand, ctx, [&](int64_t begin, int64_t end) {
    for (int64_t i = 0; i < count; ++i) {
      const pen::Point b = point_at(p, i);
      draw(b.joined ? point_at(p, i - 1) : b, b, page, begin, end);
    }
  });
}

}  // namespace PA_ISA
}  // namespace pyapdraw
