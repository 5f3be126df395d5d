#pragma once
// Row kernels of fuse_regions: each handles one row of packed elements, 16 pixels at a time with AVX-512, else in loops
// that the compiler vectorises. All arithmetic is comparison and selection: the result is the same on every machine.
#include <cstring>

#include "core/fuse_regions_math.h"
#include "cpu/convert.h"
#include "cpu/intrinsics.h"
#include "cpu/isa.h"

namespace pyapdraw {
namespace PA_ISA {
namespace {

#if defined(__AVX512BW__)
inline __m512 load16(const float* p) { return _mm512_loadu_ps(p); }
inline __m512 load16(const float* p, __mmask16 m) { return _mm512_maskz_loadu_ps(m, p); }
inline __m512 widen16(__m256i bits) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16)); }
inline __m512 load16(const Bfloat16* p) { return widen16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
inline __m512 load16(const Bfloat16* p, __mmask16 m) { return widen16(_mm256_maskz_loadu_epi16(m, p)); }
inline void store16(float* p, __mmask16 m, __m512 v) { _mm512_mask_storeu_ps(p, m, v); }
// Only values that are bfloat16 already come here: nothing is rounded.
inline void store16(Bfloat16* p, __mmask16 m, __m512 v) {
  _mm256_mask_storeu_epi16(p, m, _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_castps_si512(v), 16)));
}
inline __mmask16 first_lanes(int64_t n) { return static_cast<__mmask16>(n >= 16 ? 0xffff : (1u << n) - 1); }
inline __mmask16 bit_lanes(__m128i bytes, int bit) { return _mm_test_epi8_mask(bytes, _mm_set1_epi8(1 << bit)); }

// The smaller (larger) of both; b where a is NaN or b is.
template <FuseMode mode>
inline __m512 nearer(__m512 a, __m512 b) {
  return mode == FuseMode::max ? _mm512_max_ps(a, b) : _mm512_min_ps(a, b);
}
// The same, NaN where either is.
template <FuseMode mode>
inline __m512 nearest(__m512 a, __m512 m) {
  return _mm512_mask_mov_ps(nearer<mode>(a, m), _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), a);
}
inline __mmask16 same16(__m512 a, __m512 m) {
  return _mm512_cmp_ps_mask(a, m, _CMP_EQ_OQ) |
         (_mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q) & _mm512_cmp_ps_mask(m, m, _CMP_UNORD_Q));
}
inline __m128i flag16(__mmask16 m, int bit) { return _mm_maskz_set1_epi8(m, static_cast<char>(1 << bit)); }
#endif

constexpr int kHairBit = 6, kBackgroundBit = 7;  // of kHairVisible, kBackgroundVisible

inline bool is_person(uint8_t m) { return m != 0; }
template <typename M>
inline bool is_person(M m) {
  return to_float(m) >= 0.5f;
}
#if defined(__AVX512BW__)
template <typename M>
inline __mmask16 person16(const M* mask, __mmask16 lanes) {
  if constexpr (sizeof(M) == 1) {
    const __m128i bytes = _mm_maskz_loadu_epi8(lanes, mask);
    return _mm_test_epi8_mask(bytes, bytes);
  } else {
    return _mm512_cmp_ps_mask(load16(mask, lanes), _mm512_set1_ps(0.5f), _CMP_GE_OQ);
  }
}
#endif

// out = hair on the person and background elsewhere, or the extension where that is nearer; `inside` rectangles: the
// extension on the person.
template <FuseMode mode, bool inside, typename T, typename M>
void show_row(const M* mask, const T* hair, const T* background, T* __restrict out, int64_t count) {
  const float beyond = fuse::extension(mode);
#if defined(__AVX512BW__)
  const __m512 paper = _mm512_set1_ps(beyond);
  int64_t x = 0;
  for (; x + 16 <= count; x += 16) {
    const __mmask16 person = person16(mask + x, 0xffff);
    __m512 shown;
    if (person == 0)  // 16 floats are a line of the cache: mostly only one of the two images is read
      shown = load16(background + x);
    else if (inside)
      shown = _mm512_mask_mov_ps(load16(background + x), person, paper);
    else if (person == 0xffff)
      shown = load16(hair + x);
    else
      shown = _mm512_mask_mov_ps(load16(background + x), person, load16(hair + x));
    store16(out + x, 0xffff, nearer<mode>(paper, shown));
  }
  if (x < count) {
    const __mmask16 lanes = first_lanes(count - x), person = person16(mask + x, lanes);
    const __m512 front = inside ? paper : load16(hair + x, lanes);
    const __m512 shown = _mm512_mask_mov_ps(load16(background + x, lanes), person, front);
    store16(out + x, lanes, nearer<mode>(paper, shown));
  }
#else
  for (int64_t x = 0; x < count; ++x) {
    const float front = inside ? beyond : to_float(hair[x]);
    const float shown = is_person(mask[x]) ? front : to_float(background[x]);
    out[x] = from_float<T>(fuse::replaces(shown, beyond, mode) ? shown : beyond);
  }
#endif
}

// visible[x]: which of the two large images counts at x; only the winners need it.
template <typename M>
void visible_row(const M* mask, int64_t width, uint8_t* __restrict visible) {
  for (int64_t x = 0; x < width; ++x) visible[x] = is_person(mask[x]) ? fuse::kHairVisible : fuse::kBackgroundVisible;
}

// out = the nearer of out and image.
template <FuseMode mode, typename T>
void fold_row(const T* image, T* __restrict out, int64_t count) {
#if defined(__AVX512BW__)
  for (int64_t x = 0; x < count; x += 16) {
    const __mmask16 lanes = first_lanes(count - x);
    store16(out + x, lanes, nearest<mode>(load16(image + x, lanes), load16(out + x, lanes)));
  }
#else
  for (int64_t x = 0; x < count; ++x) {
    const float a = to_float(image[x]), m = to_float(out[x]);
    out[x] = from_float<T>(fuse::replaces(a, m, mode) ? a : m);
  }
#endif
}

// out = the nearer of out and the extension.
template <FuseMode mode, typename T>
void limit_row(T* __restrict out, int64_t count) {
  const float beyond = fuse::extension(mode);
  for (int64_t x = 0; x < count; ++x) {
    const float m = to_float(out[x]);
    out[x] = from_float<T>(fuse::replaces(beyond, m, mode) ? beyond : m);
  }
}

// Bits of all six images as if no part covered the row.
template <typename T>
void winners_row(const uint8_t* visible, const T* hair, const T* background, const T* out, float beyond,
                 uint8_t* __restrict win, int64_t width) {
#if defined(__AVX512BW__)
  const __m512 paper = _mm512_set1_ps(beyond);
  for (int64_t x = 0; x < width; x += 16) {
    const __mmask16 lanes = first_lanes(width - x);
    const __m128i bytes = _mm_maskz_loadu_epi8(lanes, visible + x);
    const __mmask16 h = bit_lanes(bytes, kHairBit), b = bit_lanes(bytes, kBackgroundBit);
    const __m512 m = load16(out + x, lanes);
    const __mmask16 white = _mm512_cmp_ps_mask(m, paper, _CMP_EQ_OQ);
    const __mmask16 is_hair = (same16(load16(hair + x, h), m) & h) | (white & ~h);
    const __mmask16 is_background = (same16(load16(background + x, b), m) & b) | (white & ~b);
    __m128i all = _mm_or_si128(bytes, _mm_maskz_set1_epi8(white, fuse::kPartBits));
    all = _mm_or_si128(all, _mm_or_si128(flag16(is_hair, fuse::kHair), flag16(is_background, fuse::kBackground)));
    _mm_mask_storeu_epi8(win + x, lanes, all);
  }
#else
  for (int64_t x = 0; x < width; ++x) {
    const float m = to_float(out[x]);
    const unsigned white = m == beyond;
    const unsigned is_hair = visible[x] & fuse::kHairVisible ? fuse::equals(to_float(hair[x]), m) : white;
    const unsigned is_background =
        visible[x] & fuse::kBackgroundVisible ? fuse::equals(to_float(background[x]), m) : white;
    win[x] = static_cast<uint8_t>(visible[x] | white * fuse::kPartBits | is_hair << fuse::kHair |
                                  is_background << fuse::kBackground);
  }
#endif
}

// Sets or clears one bit: whether this part has the value of out.
template <typename T>
void winning_part_row(const T* image, const T* out, int bit, uint8_t* __restrict win, int64_t count) {
#if defined(__AVX512BW__)
  for (int64_t x = 0; x < count; x += 16) {
    const __mmask16 lanes = first_lanes(count - x);
    const __mmask16 won = same16(load16(image + x, lanes), load16(out + x, lanes));
    const __m128i others = _mm_andnot_si128(_mm_set1_epi8(1 << bit), _mm_maskz_loadu_epi8(lanes, win + x));
    _mm_mask_storeu_epi8(win + x, lanes, _mm_or_si128(others, flag16(won, bit)));
  }
#else
  for (int64_t x = 0; x < count; ++x) {
    const unsigned won = fuse::equals(to_float(image[x]), to_float(out[x]));
    win[x] = static_cast<uint8_t>((win[x] & ~(1u << bit)) | won << bit);
  }
#endif
}

// The share of one image in the gradient, from the two halves of a byte of winners: the product of both entries, or
// (background) the smaller one: being tied with hair and with a part as well still halves only once.
struct Shares {
  float low[16], high[16];
  bool smaller;

  explicit Shares(int image) : smaller(image == fuse::kBackground) {
    const unsigned visible = image == fuse::kHair ? fuse::kHairVisible : fuse::kBackgroundVisible;
    for (unsigned w = 0; w < 16; ++w) {
      const unsigned above = w << 4;
      low[w] = image < 4 ? fuse::share(w, image) : (w ? 0.5f : 1.0f);
      if (image < 4)
        high[w] = fuse::share(above | 1u << image, image);
      else
        high[w] = above & visible ? fuse::share(above, image) : 0.0f;
    }
  }
  float at(uint8_t w) const {
    const float a = low[w & 15], b = high[w >> 4];
    return smaller ? (a < b ? a : b) : a * b;
  }
};

// in = grad * share, 0 where the share is 0; weights: further factors, or null.
template <typename T>
void select_row(const T* grad, const uint8_t* win, const Shares& s, const float* weights, T* __restrict in,
                int64_t count) {
  int64_t x = 0;
#if defined(__AVX512BW__)
  if (!weights) {
    const __m512 low = _mm512_loadu_ps(s.low), high = _mm512_loadu_ps(s.high);
    for (; x < count; x += 16) {
      const __mmask16 lanes = first_lanes(count - x);
      const __m512i w = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(lanes, win + x));
      const __m512 a = _mm512_permutexvar_ps(w, low), b = _mm512_permutexvar_ps(_mm512_srli_epi32(w, 4), high);
      const __m512 share = s.smaller ? _mm512_min_ps(a, b) : _mm512_mul_ps(a, b);
      const __mmask16 any = _mm512_test_epi32_mask(_mm512_castps_si512(share), _mm512_castps_si512(share));
      const __m512 part = _mm512_maskz_mul_ps(any, load16(grad + x, lanes), share);
      if constexpr (sizeof(T) == 4) {
        store16(in + x, lanes, part);
      } else {  // halving is exact but for the smallest numbers
        alignas(64) float wide[16];
        _mm512_store_ps(wide, part);
        for (int64_t i = 0; i < 16 && x + i < count; ++i) in[x + i] = from_float<T>(wide[i]);
      }
    }
    return;
  }
#endif
  for (; x < count; ++x) {
    const float share = s.at(win[x]) * (weights ? weights[x] : 1.0f);
    in[x] = from_float<T>(share != 0.0f ? to_float(grad[x]) * share : 0.0f);
  }
}

// Copies a row past the cache, whole lines of 64 bytes; the ends go the ordinary way.
inline void stream_row(const void* from, void* to, int64_t bytes) {
#if defined(__SSE2__)
  const char* p = static_cast<const char*>(from);
  char* q = static_cast<char*>(to);
  const int64_t lead = static_cast<int64_t>(-reinterpret_cast<uintptr_t>(q) & 63);
  const int64_t head = lead < bytes ? lead : bytes;
  std::memcpy(q, p, static_cast<size_t>(head));
  int64_t i = head;
  for (; i + 64 <= bytes; i += 64)
    for (int64_t k = 0; k < 64; k += 16)
      _mm_stream_si128(reinterpret_cast<__m128i*>(q + i + k),
                       _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + i + k)));
  std::memcpy(q + i, p + i, static_cast<size_t>(bytes - i));
#else
  std::memcpy(to, from, static_cast<size_t>(bytes));
#endif
}
// After the last streamed row of a thread.
inline void stream_end() {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

}  // namespace
}  // namespace PA_ISA
}  // namespace pyapdraw
