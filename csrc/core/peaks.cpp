// Measures the peaks of this machine on the thread pool of the operations, with the instruction set in use.
#include "core/peaks.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <string>
#include <vector>

#include "core/backend.h"
#include "core/check.h"
#include "core/threads.h"

namespace pyapdraw {

namespace {

using Clock = std::chrono::steady_clock;

// A chunk is short, and there are several a thread, so that a disturbed one can be made up for.
constexpr int kChunksPerThread = 4;
constexpr double kChunkSeconds = 0.5e-3;
// A buffer; a chunk has two. Well inside the smallest L1 and L2 (32 KB, 512 KB); beyond an L2 and inside the L3 that
// two cores may use (8 MB a thread in all); and beyond any L3.
constexpr int64_t kL1Bytes = 10 << 10, kL2Bytes = 160 << 10, kL3Bytes = 1 << 20, kDramBytes = int64_t{96} << 20;

PeakKernels kernels_in_use() {
  const std::string name = cpu_backend().name;
#if defined(PYAPDRAW_MULTI_ISA)
  if (name == "cpu_v4") return cpu_v4::peak_kernels();
  if (name == "cpu_v3") return cpu_v3::peak_kernels();
#endif
  return cpu_base::peak_kernels();
}

template <typename F>
double seconds_of(F&& f) {
  const auto start = Clock::now();
  f();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

template <typename F>
void on_threads(int64_t n, int threads, F&& f) {
  run_chunks(n, 1, threads, [](void* p, int64_t a, int64_t) { (*static_cast<std::remove_reference_t<F>*>(p))(a); }, &f);
}

// The best rate of rounds until the time is over; work(chunk, steps) does `units * steps` of what is counted.
template <typename F>
double best_rate(int threads, double seconds, double units, F&& work) {
  int64_t steps = 1;
  while (seconds_of([&] { work(0, steps); }) < kChunkSeconds) steps *= 2;
  const int64_t chunks = int64_t{threads} * kChunksPerThread;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  double best = 0;
  do {
    const double took = seconds_of([&] { on_threads(chunks, threads, [&](int64_t i) { work(i, steps); }); });
    best = std::max(best, units * static_cast<double>(steps) * static_cast<double>(chunks) / took);
  } while (Clock::now() < end);
  return best / 1e9;
}

struct alignas(64) Line {  // of a cache
  char bytes[64];
};
using Copy = void (*)(const char*, char*, int64_t);

// Every chunk copies between two buffers of its own, again and again.
double cached_copy_gbs(Copy copy, int64_t bytes, int threads, double seconds) {
  const int64_t chunks = int64_t{threads} * kChunksPerThread;
  std::vector<Line> memory(static_cast<size_t>(2 * bytes * chunks) / sizeof(Line) + 1);
  char* base = reinterpret_cast<char*>(memory.data());
  std::memset(base, 1, static_cast<size_t>(2 * bytes * chunks));
  return best_rate(threads, seconds, 2.0 * static_cast<double>(bytes), [&](int64_t i, int64_t steps) {
    for (int64_t s = 0; s < steps; ++s) copy(base + 2 * i * bytes, base + (2 * i + 1) * bytes, bytes);
  });
}

// One large copy, split among the threads.
double dram_copy_gbs(Copy copy, int threads, double seconds) {
  constexpr int64_t kSlice = int64_t{256} << 10;
  std::vector<Line> memory(static_cast<size_t>(2 * kDramBytes) / sizeof(Line));
  char* base = reinterpret_cast<char*>(memory.data());
  std::memset(base, 1, static_cast<size_t>(2 * kDramBytes));
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  double best = 0;
  do {
    const double took = seconds_of([&] {
      on_threads(kDramBytes / kSlice, threads,
                 [&](int64_t i) { copy(base + i * kSlice, base + kDramBytes + i * kSlice, kSlice); });
    });
    best = std::max(best, 2.0 * static_cast<double>(kDramBytes) / took);
  } while (Clock::now() < end);
  return best / 1e9;
}

}  // namespace

Peaks machine_peaks(int threads, double seconds) {
  PA_CHECK(threads >= 0 && threads <= 256, "threads", std::to_string(threads) + " given, 0 to 256 expected");
  PA_CHECK(seconds > 0 && seconds <= 60, "seconds", std::to_string(seconds) + " given, above 0, at most 60 expected");
  const PeakKernels k = kernels_in_use();
  const int n = threads ? threads : default_threads();
  constexpr int kPasses = 3;  // spread over the time, because other programs disturb for a while rather than a moment
  const double share = seconds / 7 / kPasses;
  std::atomic<float> sink{0};
  const auto rate = [&](float (*f)(int64_t), int64_t flop) {
    return best_rate(n, share, static_cast<double>(flop), [&](int64_t, int64_t steps) { sink = f(steps); });
  };
  Peaks p{};
  p.isa = k.name;
  p.threads = n;
  const auto raise = [](double& best, double found) { best = std::max(best, found); };
  for (int pass = 0; pass < kPasses; ++pass) {
    raise(p.fma_f32_gflops, rate(k.fma_f32, k.flop_per_step));
    if (k.dot_bf16) raise(p.dot_bf16_gflops, rate(k.dot_bf16, k.dot_flop_per_step));
    raise(p.copy_l1_gbs, cached_copy_gbs(k.copy, kL1Bytes, n, share));
    raise(p.copy_l2_gbs, cached_copy_gbs(k.copy, kL2Bytes, n, share));
    raise(p.copy_l3_gbs, cached_copy_gbs(k.copy, kL3Bytes, n, share));
    raise(p.copy_dram_gbs, dram_copy_gbs(k.copy, n, share));
    raise(p.copy_dram_streaming_gbs, dram_copy_gbs(k.copy_past_caches, n, share));
  }
  return p;
}

}  // namespace pyapdraw
