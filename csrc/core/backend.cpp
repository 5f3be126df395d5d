// Chooses the table of kernels for a tensor, once per process for the CPU.
#include "core/backend.h"

#include <atomic>

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

const OpEntry kEntries[] = {
#define PA_OP(op, use, parameters) {#op, Use::use, [](const Backend& b) { return b.op != nullptr; }},
#include "core/ops.def"
};

}  // namespace

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
