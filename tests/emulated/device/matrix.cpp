// Like warp.cpp not instrumented by the thread sanitizer; the rows that ldmatrix reads are (read_row).
#include "matrix.h"

#include <cstring>

#include "async_copy.h"
#include "warp.h"

namespace emulated {

namespace {

struct Fragments {
  float d[4];
  uint32_t a[4], b[2];
};

template <typename T>
float value(uint32_t pair, int upper) {
  return half_bits_to_float<T>(static_cast<uint16_t>(upper ? pair >> 16 : pair));
}

// Row g of lane 4g + t: see ptx.cuh. Sums run over k in order, as one float32 sum an element.
template <typename T>
void combine_mma(const Lane (&lanes)[32], unsigned) {
  float a[16][16], b[8][16];
  const auto in = [&](int l) -> const Fragments& { return *static_cast<const Fragments*>(lanes[l].in); };
  for (int l = 0; l < 32; ++l) {
    const int g = l / 4, t = l % 4;
    for (int i = 0; i < 2; ++i) {
      for (int r = 0; r < 4; ++r) a[g + r % 2 * 8][2 * t + r / 2 * 8 + i] = value<T>(in(l).a[r], i);
      for (int r = 0; r < 2; ++r) b[g][2 * t + r * 8 + i] = value<T>(in(l).b[r], i);
    }
  }
  for (int l = 0; l < 32; ++l) {
    const int g = l / 4, t = l % 4;
    float* d = static_cast<float*>(lanes[l].out);
    for (int r = 0; r < 4; ++r) {
      const float *row = a[g + r / 2 * 8], *column = b[2 * t + r % 2];
      float sum = 0.0f;
      for (int k = 0; k < 16; ++k) sum += row[k] * column[k];
      d[r] = in(l).d[r] + sum;
    }
  }
}

// argument: how many matrices, negative when they are transposed.
void combine_ldmatrix(const Lane (&lanes)[32], unsigned) {
  const int count = lanes[0].argument < 0 ? -lanes[0].argument : lanes[0].argument;
  const auto element = [&](int matrix, int row, int column) {
    return static_cast<const uint16_t*>(lanes[8 * matrix + row].in)[column];
  };
  for (int l = 0; l < 32; ++l) {
    uint32_t* r = static_cast<uint32_t*>(lanes[l].out);
    const int g = l / 4, t = l % 4;
    for (int m = 0; m < count; ++m) {
      const bool transposed = lanes[0].argument < 0;
      const uint32_t low = transposed ? element(m, 2 * t, g) : element(m, g, 2 * t);
      const uint32_t high = transposed ? element(m, 2 * t + 1, g) : element(m, g, 2 * t + 1);
      r[m] = low | high << 16;
    }
  }
}

void whole_warp(const Where& where) {
  if (live_lanes() != 0xffffffffu) fault(text(where) + ": not all 32 lanes of the warp are there");
}

}  // namespace

void mma_m16n8k16(float* d, const uint32_t* a, const uint32_t* b, Element element, const Where& where) {
  whole_warp(where);
  const Fragments f{{d[0], d[1], d[2], d[3]}, {a[0], a[1], a[2], a[3]}, {b[0], b[1]}};
  collective(0xffffffffu, where, element == Element::f16 ? combine_mma<__half> : combine_mma<__nv_bfloat16>,
             {&f, d, 0});
}

void ldmatrix(uint32_t* r, int count, bool transposed, const void* row, const Where& where) {
  whole_warp(where);
  uint64_t own[2] = {};
  if (lane_index() < 8 * count) {
    if (reinterpret_cast<uintptr_t>(row) % 16) fault("misaligned address in " + text(where));
    read_row(row, own);
  }
  collective(0xffffffffu, where, combine_ldmatrix, {own, r, transposed ? -count : count});
}

}  // namespace emulated
