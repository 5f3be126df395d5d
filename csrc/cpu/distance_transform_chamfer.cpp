// The 5x5 chamfer distance that OpenCV computes for DIST_L2 with its own code (no IPP), to the bit: weights 1 (side),
// 1.4 (diagonal) and 2.1969 (knight's move) in 16 fractional bits [Borgefors, Distance transformations in digital
// images, 1986], outside the image nothing is near, and no value exceeds 2^32 - 1 - 2.1969.
// Method: two sweeps, down and up. In a row, what comes from the two finished rows is computed for all pixels at once;
// what remains is t(x) = min(v(x), t(x - 1) + 1), a running minimum: in registers of 16 by shifts of 1, 2, 4 and 8.
// The first sweep leaves its rows, as bits, in the output. Images are independent and go to threads.
#include <cstdint>
#include <cstring>

#include "core/distance_transform_math.h"
#include "cpu/distance_transform_chunks.h"
#include "cpu/kernels.h"
#include "cpu/scratch.h"

namespace pyapdraw {
namespace PA_ISA {
namespace {

using distance::chamfer::kDiagonal;
using distance::chamfer::kKnight;
using distance::chamfer::kMost;
using distance::chamfer::kSide;
constexpr int64_t kEdge = 16;  // columns beside a row: two would do, a register is simpler

inline uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }
inline uint32_t plus(uint32_t a, uint32_t b) { return least(a, kMost - b) + b; }

// v(x) = the least of here(x) and what the two rows that the sweep has passed give: near the next one, far the one
// after.
void from_rows(const uint32_t* near, const uint32_t* far, uint32_t* here, int64_t width) {
  for (int64_t x = 0; x < width; ++x) {
    const uint32_t knights = least(least(near[x - 2], near[x + 2]), least(far[x - 1], far[x + 1])) + kKnight;
    const uint32_t diagonals = least(near[x - 1], near[x + 1]) + kDiagonal;
    here[x] = least(least(least(here[x], kMost), near[x] + kSide), least(knights, diagonals));
  }
}

// The running minimum, to the right and to the left.
#if defined(__AVX512F__)
inline __m512i plus(__m512i a, uint32_t b) {
  return _mm512_add_epi32(_mm512_min_epu32(a, _mm512_set1_epi32(static_cast<int>(kMost - b))),
                          _mm512_set1_epi32(static_cast<int>(b)));
}

template <bool right>
void along(uint32_t* row, int64_t width) {
  const __m512i most = _mm512_set1_epi32(static_cast<int>(kMost));
  const __m512i index = _mm512_setr_epi32(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16);
  const __m512i steps = right ? index : _mm512_sub_epi32(_mm512_set1_epi32(17), index);
  const __m512i ramp = _mm512_mullo_epi32(steps, _mm512_set1_epi32(static_cast<int>(kSide)));
  const __m512i room = _mm512_sub_epi32(most, ramp), end = _mm512_set1_epi32(right ? 15 : 0);
  __m512i carry = most;
  const int64_t registers = (width + 15) / 16;
  for (int64_t i = 0; i < registers; ++i) {
    uint32_t* at = row + 16 * (right ? i : registers - 1 - i);
    __m512i v = _mm512_loadu_si512(at);
    v = _mm512_min_epu32(v, plus(right ? _mm512_alignr_epi32(v, most, 15) : _mm512_alignr_epi32(most, v, 1), kSide));
    v = _mm512_min_epu32(v,
                         plus(right ? _mm512_alignr_epi32(v, most, 14) : _mm512_alignr_epi32(most, v, 2), 2 * kSide));
    v = _mm512_min_epu32(v,
                         plus(right ? _mm512_alignr_epi32(v, most, 12) : _mm512_alignr_epi32(most, v, 4), 4 * kSide));
    v = _mm512_min_epu32(v, plus(right ? _mm512_alignr_epi32(v, most, 8) : _mm512_alignr_epi32(most, v, 8), 8 * kSide));
    v = _mm512_min_epu32(v, _mm512_add_epi32(_mm512_min_epu32(carry, room), ramp));
    carry = _mm512_permutexvar_epi32(end, v);
    _mm512_storeu_si512(at, v);
  }
}
#else
template <bool right>
void along(uint32_t* row, int64_t width) {
  uint32_t t = kMost;
  for (int64_t i = 0; i < width; ++i) {
    uint32_t& at = row[right ? i : width - 1 - i];
    at = t = least(at, plus(t, kSide));
  }
}
#endif

// Three rows in turn, with room beside them that is never near.
class Turns {
 public:
  Turns(uint32_t* memory, int64_t width) : pitch_(pitch(width)) {
    for (int i = 0; i < 3; ++i) row_[i] = memory + i * pitch_ + kEdge;
    for (int64_t x = 0; x < 3 * pitch_; ++x) memory[x] = kMost;
  }
  static int64_t pitch(int64_t width) { return (width + 15) / 16 * 16 + 2 * kEdge; }
  uint32_t* here() const { return row_[0]; }
  const uint32_t* near() const { return row_[1]; }
  const uint32_t* far() const { return row_[2]; }
  void turn() {
    uint32_t* last = row_[2];
    row_[2] = row_[1];
    row_[1] = row_[0];
    row_[0] = last;
  }

  // Beyond the width of this row nothing is near, whatever the registers left there.
  void close(int64_t width) const {
    for (int64_t x = width; x < pitch_ - kEdge; ++x) row_[0][x] = kMost;
  }

 private:
  const int64_t pitch_;
  uint32_t* row_[3];
};

void sweep_down(const uint8_t* in, int64_t row_step, int64_t step, Turns rows, const Tensor& out, float* to) {
  const int64_t height = out.size_back(2), width = out.size_back(1);
  for (int64_t y = 0; y < height; ++y, rows.turn()) {
    uint32_t* here = rows.here();
    const uint8_t* pixels = in + y * row_step;
    if (step == 1)
      for (int64_t x = 0; x < width; ++x) here[x] = pixels[x] ? 0 : kMost;
    else
      for (int64_t x = 0; x < width; ++x) here[x] = pixels[x * step] ? 0 : kMost;
    from_rows(rows.near(), rows.far(), here, width);
    along<true>(here, width);
    rows.close(width);
    float* row = to + y * out.stride_back(2);
    if (out.stride_back(1) == 1)
      std::memcpy(row, here, static_cast<size_t>(width) * sizeof(float));
    else
      for (int64_t x = 0; x < width; ++x) std::memcpy(row + x * out.stride_back(1), here + x, sizeof(float));
  }
}

void sweep_up(Turns rows, const Tensor& out, float* to) {
  const int64_t height = out.size_back(2), width = out.size_back(1), step = out.stride_back(1);
  for (int64_t y = height - 1; y >= 0; --y, rows.turn()) {
    uint32_t* here = rows.here();
    float* row = to + y * out.stride_back(2);
    if (step == 1)
      std::memcpy(here, row, static_cast<size_t>(width) * sizeof(float));
    else
      for (int64_t x = 0; x < width; ++x) std::memcpy(here + x, row + x * step, sizeof(float));
    from_rows(rows.near(), rows.far(), here, width);
    along<false>(here, width);
    rows.close(width);
    if (step == 1)
      for (int64_t x = 0; x < width; ++x) row[x] = distance::chamfer::finish(here[x]);
    else
      for (int64_t x = 0; x < width; ++x) row[x * step] = distance::chamfer::finish(here[x]);
  }
}

}  // namespace

void distance_transform_chamfer(const Tensor& sites, const Tensor& distance, const Context& ctx) {
  const int64_t width = sites.size_back(1), images = sites.numel() / (sites.size_back(2) * width);
  parallel_for(images, 1, ctx, [&](int64_t begin, int64_t end) {
    const int64_t count = 3 * Turns::pitch(width);
    const Scratch<uint32_t, Origin::kept> memory(count);
    for (int64_t i = begin; i < end; ++i) {
      const uint8_t* in = sites.as<uint8_t>() + columns::image_offset(sites, i);
      float* to = distance.as<float>() + columns::image_offset(distance, i);
      sweep_down(in, sites.stride_back(2), sites.stride_back(1), Turns(memory.get(), width), distance, to);
      sweep_up(Turns(memory.get(), width), distance, to);
    }
  });
}

}  // namespace PA_ISA
}  // namespace pyapdraw
