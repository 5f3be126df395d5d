// hard_swish(v) = v min(max(v + 3, 0), 6) / 6 [Howard et al. 2019, section 5.2], in place.
//
// Method: pieces of the memory, in vectors, what is left over one by one.
// Numerics: as written, in float32.
#include "cpu/kernels.h"
#include "cpu/lanes.h"
#include "cpu/parallel.h"

namespace pyapdraw {
namespace PA_ISA {
namespace {

constexpr int64_t kPiece = 4096;

inline lanes::Vec swished(lanes::Vec v) {
  const lanes::Vec zero{};
  lanes::Vec gate = v + 3.0f;
  gate = gate < 0.0f ? zero : gate;
  gate = gate > 6.0f ? zero + 6.0f : gate;
  return v * gate / 6.0f;
}

inline float swished(float v) {
  float gate = v + 3.0f;
  gate = gate < 0.0f ? 0.0f : gate;
  gate = gate > 6.0f ? 6.0f : gate;
  return v * gate / 6.0f;
}

}  // namespace

void hard_swish(const Tensor& x, const Context& ctx) {
  const int64_t count = x.numel();
  float* memory = x.as<float>();
  parallel_for((count + kPiece - 1) / kPiece, 4, ctx, [&](int64_t begin, int64_t end) {
    int64_t i = begin * kPiece;
    const int64_t last = end * kPiece < count ? end * kPiece : count;
    for (; i + lanes::kCount <= last; i += lanes::kCount) lanes::store(memory + i, swished(lanes::load(memory + i)));
    for (; i < last; ++i) memory[i] = swished(memory[i]);
  });
}

}  // namespace PA_ISA
}  // namespace pyapdraw
