// CUDA devices of a build without CUDA: there are none.
#include "core/device.h"

#if !defined(PYAPDRAW_WITH_CUDA)
#include "pyapdraw/error.h"

namespace pyapdraw {

namespace {

constexpr const char* kReason = "this build has no CUDA kernels (PYAPDRAW_CUDA=OFF)";

[[noreturn]] void refuse() { throw Unsupported(kReason); }

}  // namespace

DeviceGuard::DeviceGuard(int) { refuse(); }
DeviceGuard::~DeviceGuard() {}

CudaState cuda_state() {
  CudaState s;
  s.reason = kReason;
  return s;
}

namespace device {

int current() { refuse(); }
int owner(const void*, const char* arg) {
  throw Unsupported(std::string(arg) + ": a CUDA array given, but " + kReason);
}
bool same_stream(const void* a, const void* b) { return a == b; }
void order(void*, void*, int) { refuse(); }
void* allocate(int64_t, int) { refuse(); }
void release(void*, int) noexcept {}
void set(void*, const void*, int, void*, int) { refuse(); }

Mark::Mark(void*, int) { refuse(); }
Mark::~Mark() {}
bool Mark::passed() const { return true; }

}  // namespace device
}  // namespace pyapdraw
#endif
