// Chooses the table of kernels for a tensor, once per process for the CPU.
#include "core/backend.h"

#include <cstring>

namespace pyapdraw {

namespace {

const Backend& choose_cpu() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
                  __builtin_cpu_supports("bmi2");
  const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl");
#if defined(PYAPDRAW_MULTI_ISA)
  if (v4) return cpu_v4::backend();
  if (v3) return cpu_v3::backend();
#else
  (void)v3;
  (void)v4;
#endif
#endif
  return cpu_base::backend();
}

#define PA_OP(op) {#op, [](const Backend& b) { return b.op != nullptr; }}
const OpEntry kEntries[] = {
    PA_OP(distance_transform),
    PA_OP(ink),
    PA_OP(ink_planes),
    PA_OP(warp_affine),
    PA_OP(resize),
    PA_OP(yuv_to_rgb),
    PA_OP(rgb_to_yuv),
    PA_OP(rgb_to_nchw),
    PA_OP(nchw_to_rgb),
    PA_OP(composite),
    PA_OP(fuse_regions),
    PA_OP(fuse_regions_backward),
    PA_OP(conv2d),
    PA_OP(max_pool2d),
    PA_OP(crop_area),
    PA_OP(crop_warp),
    PA_OP(nms),
};
#undef PA_OP

}  // namespace

static_assert(sizeof(kEntries) / sizeof(kEntries[0]) + 1 == sizeof(Backend) / sizeof(void*),
              "every entry of Backend is listed in kEntries");

const OpEntry* op_entries(int* count) {
  *count = static_cast<int>(sizeof(kEntries) / sizeof(kEntries[0]));
  return kEntries;
}

const Backend& cpu_backend() {
  static const Backend& chosen = choose_cpu();
  return chosen;
}

#if !defined(PYAPDRAW_WITH_CUDA)
const Backend* cuda_backend() { return nullptr; }
#endif

const Backend& backend_for(const Tensor& t) {
  if (t.device.type == DeviceType::cpu) return cpu_backend();
  const Backend* cuda = cuda_backend();
  if (!cuda) throw Unsupported("the tensor lives on a CUDA device, but this build has no CUDA kernels (PYAPDRAW_CUDA=OFF)");
  return *cuda;
}

void missing_op(const char* op, const Backend& b) {
  throw Unsupported(std::string(op) + ": no kernel for the backend '" + b.name + "' in this build");
}

}  // namespace pyapdraw
