// Alpha composition, row by row: rows that are not packed (views, broadcast alpha) are packed
// into scratch first, so that one 16-bit loop does all the arithmetic.
#include "core/composite_math.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"
#include "cpu/rows.h"
#include "cpu/scratch.h"

namespace pyapdraw {
namespace PA_ISA {
namespace {

inline void blend_row(const uint8_t* d, const uint8_t* a, const uint8_t* b, uint8_t* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = blend_bytes(d[i], a[i], b[i]);
}

inline void blend_row(const float* d, const float* a, const float* b, float* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = blend_floats(d[i], a[i], b[i]);
}

inline void repeat3(const uint8_t* in, uint8_t* out, int64_t n) { interleave3(in, in, in, out, n); }
inline void repeat3(const float* in, float* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[3 * i] = out[3 * i + 1] = out[3 * i + 2] = in[i];
}

// Row y of a [H,W,C] view as W*C packed elements.
template <typename T>
const T* row_of(const Tensor& t, int64_t y, T* scratch) {
  const int64_t w = t.shape[1], c = t.shape[2], step = t.stride[1], channel = t.stride[2];
  const T* row = t.as<T>() + y * t.stride[0];
  if (step == c && (channel == 1 || c == 1)) return row;
  if (c == 3 && channel == 0 && step == 1) {
    repeat3(row, scratch, w);
  } else {
    for (int64_t x = 0; x < w; ++x)
      for (int64_t k = 0; k < c; ++k) scratch[x * c + k] = row[x * step + k * channel];
  }
  return scratch;
}

template <typename T>
void run(const Tensor& drawing, const Tensor& alpha, const Tensor& background, const Tensor& out, const Context& ctx) {
  const int64_t w = out.shape[1], c = out.shape[2], n = w * c;
  const bool packed = out.stride[1] == c && (out.stride[2] == 1 || c == 1);
  parallel_for(out.shape[0], 32, ctx, [&](int64_t begin, int64_t end) {
    Scratch<T> d(n), a(n), b(n), o(n);
    for (int64_t y = begin; y < end; ++y) {
      T* target = out.as<T>() + y * out.stride[0];
      T* result = packed ? target : o.get();
      blend_row(row_of(drawing, y, d.get()), row_of(alpha, y, a.get()), row_of(background, y, b.get()), result, n);
      if (packed) continue;
      for (int64_t x = 0; x < w; ++x)
        for (int64_t k = 0; k < c; ++k) target[x * out.stride[1] + k * out.stride[2]] = result[x * c + k];
    }
  });
}

}  // namespace

void composite(const Tensor& drawing, const Tensor& alpha, const Tensor& background, const Tensor& out,
               const Context& ctx) {
  if (out.numel() == 0) return;
  if (out.dtype == DType::u8)
    run<uint8_t>(drawing, alpha, background, out, ctx);
  else
    run<float>(drawing, alpha, background, out, ctx);
}

}  // namespace PA_ISA
}  // namespace pyapdraw
