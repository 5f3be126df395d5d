#pragma once
// What this machine can do at best, measured: the rates that a benchmark holds an operation against.
#include "pyapdraw/ops.h"

namespace pyapdraw {

// One instruction set's loops. They return what keeps the compiler from dropping the work.
struct PeakKernels {
  const char* name;                                         // as of the Backend table
  int64_t flop_per_step;                                    // of fma_f32
  float (*fma_f32)(int64_t steps);                          // independent chains of multiply-add
  int64_t dot_flop_per_step;                                // of dot_bf16
  float (*dot_bf16)(int64_t steps);                         // null where this machine has no AVX-512-BF16
  void (*copy)(const char* from, char* to, int64_t bytes);  // plain stores; multiples of 64 bytes, aligned to 64
  void (*copy_past_caches)(const char* from, char* to, int64_t bytes);  // non-temporal stores where there are any
};

// Best rates seen in about `seconds`, on `threads` threads (0 = default): GFLOP/s and GB/s (read + written).
struct Peaks {
  const char* isa;
  int threads;
  double fma_f32_gflops, dot_bf16_gflops;  // the latter 0 without AVX-512-BF16
  double copy_l1_gbs, copy_l2_gbs, copy_l3_gbs, copy_dram_gbs, copy_dram_streaming_gbs;
};
Peaks machine_peaks(int threads = 0, double seconds = 0.5);

namespace cpu_v4 {
PeakKernels peak_kernels();
}
namespace cpu_v3 {
PeakKernels peak_kernels();
}
namespace cpu_base {
PeakKernels peak_kernels();
}

}  // namespace pyapdraw
