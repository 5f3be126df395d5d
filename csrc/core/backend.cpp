// Chooses the table of kernels for a tensor, once per process for the CPU.
#include "core/backend.h"

#include <atomic>
#include <cstddef>

namespace pyapdraw {

namespace {

// Which of the instruction sets above the baseline this machine has.
#if defined(PYAPDRAW_MULTI_ISA)
int cpu_level() {
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("bmi") ||
      !__builtin_cpu_supports("bmi2"))
    return 1;
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512cd") || !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
    return 3;
  return 4;
}
#endif

const Backend& best_cpu() {
  const Backend* tables[3];
  cpu_backends(tables);
  return *tables[0];
}

std::atomic<const Backend*>& current_cpu() {
  static std::atomic<const Backend*> current{&best_cpu()};
  return current;
}

#define PA_OP(op) {#op, [](const Backend& b) { return b.op != nullptr; }}
const OpEntry kEntries[] = {
    PA_OP(distance_transform),
    PA_OP(distance_transform_nearest),
    PA_OP(distance_transform_chamfer),
    PA_OP(ink),
    PA_OP(ink_planes),
    PA_OP(flow_dog),
    PA_OP(warp_affine),
    PA_OP(resize),
    PA_OP(yuv_to_rgb),
    PA_OP(rgb_to_yuv),
    PA_OP(crop_yuv),
    PA_OP(paste_yuv),
    PA_OP(rgb_to_nchw),
    PA_OP(nchw_to_rgb),
    PA_OP(composite),
    PA_OP(distance_transform_pair),
    PA_OP(fuse_regions),
    PA_OP(fuse_regions_backward),
    PA_OP(conv2d),
    PA_OP(conv2d_bf16),
    PA_OP(max_pool2d),
    PA_OP(crop_area),
    PA_OP(crop_warp),
    PA_OP(guided_upsample),
    PA_OP(local_contrast),
    PA_OP(pixel_unshuffle),
    PA_OP(add_upsampled),
    PA_OP(nms),
    PA_OP(modulated_conv2d),
    PA_OP(modulated_conv2d_backward_weight),
    PA_OP(bias_act),
    PA_OP(bias_act_backward),
    PA_OP(upfirdn2d),
    PA_OP(conv_to_one),
    PA_OP(instance_norm),
};
#undef PA_OP

}  // namespace

static_assert(offsetof(Backend, distance_transform) + sizeof(kEntries) / sizeof(kEntries[0]) * sizeof(void*) ==
                  sizeof(Backend),
              "every entry of Backend is listed in kEntries");

const OpEntry* op_entries(int* count) {
  *count = static_cast<int>(sizeof(kEntries) / sizeof(kEntries[0]));
  return kEntries;
}

int cpu_backends(const Backend* tables[3]) {
  int count = 0;
#if defined(PYAPDRAW_MULTI_ISA)
  const int level = cpu_level();
  if (level >= 4) tables[count++] = &cpu_v4::backend();
  if (level >= 3) tables[count++] = &cpu_v3::backend();
#endif
  tables[count++] = &cpu_base::backend();
  return count;
}

const Backend& cpu_backend() { return *current_cpu().load(std::memory_order_relaxed); }

void use_cpu_backend(const std::string& name) {
  const Backend* tables[3];
  const int count = cpu_backends(tables);
  std::string known;
  for (int i = 0; i < count; ++i) {
    if (name == tables[i]->name) {
      current_cpu().store(tables[i]);
      return;
    }
    known += std::string(i ? ", " : "") + tables[i]->name;
  }
  throw BadInput("name: '" + name + "' given, one of " + known + " expected on this machine");
}

#if !defined(PYAPDRAW_WITH_CUDA)
const Backend* cuda_backend() { return nullptr; }
#endif

const Backend& backend_for(const Tensor& t) {
  if (t.device.type == DeviceType::cpu) return cpu_backend();
  const Backend* cuda = cuda_backend();
  if (!cuda)
    throw Unsupported("the tensor lives on a CUDA device, but this build has no CUDA kernels (PYAPDRAW_CUDA=OFF)");
  return *cuda;
}

void missing_op(const char* op, const Backend& b) {
  throw Unsupported(std::string(op) + ": no kernel for the backend '" + b.name + "' in this build");
}

}  // namespace pyapdraw
