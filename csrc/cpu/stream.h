#pragma once
// Stores that bypass the caches: for outputs that no cache can hold, where the read before an ordinary write would cost
// as much as the write itself.
#include <cstdint>
#include <cstring>

#include "cpu/intrinsics.h"
#include "cpu/isa.h"

namespace pyapdraw {
namespace PA_ISA {

// Outputs from here on: half of a large last-level cache, so that little of them would be found there afterwards.
constexpr int64_t kStreamBytes = int64_t{24} << 20;

// memcpy past the caches. A fence is due before other threads may read: see stream_fence.
inline void stream_copy(void* to, const void* from, int64_t bytes) {
#if defined(__SSE2__)
  auto* t = static_cast<char*>(to);
  auto* f = static_cast<const char*>(from);
  const int64_t head = static_cast<int64_t>(-reinterpret_cast<uintptr_t>(t) & 63);
  if (bytes >= head + 64) {
    std::memcpy(t, f, static_cast<size_t>(head));
    t += head, f += head, bytes -= head;
    for (; bytes >= 64; t += 64, f += 64, bytes -= 64) {
#if defined(__AVX512F__)
      _mm512_stream_si512(reinterpret_cast<__m512i*>(t), _mm512_loadu_si512(f));
#elif defined(__AVX__)
      for (int i = 0; i < 64; i += 32)
        _mm256_stream_si256(reinterpret_cast<__m256i*>(t + i),
                            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(f + i)));
#else
      for (int i = 0; i < 64; i += 16)
        _mm_stream_si128(reinterpret_cast<__m128i*>(t + i), _mm_loadu_si128(reinterpret_cast<const __m128i*>(f + i)));
#endif
    }
  }
  std::memcpy(t, f, static_cast<size_t>(bytes));
#else
  std::memcpy(to, from, static_cast<size_t>(bytes));
#endif
}

inline void stream_fence() {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

}  // namespace PA_ISA
}  // namespace pyapdraw
