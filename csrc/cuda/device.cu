// Devices, streams and memory for the layers above: see core/device.h. No kernels.
#include "core/device.h"
#include "cuda/check.h"

namespace pyapdraw {

using cuda::check;

namespace {

cudaStream_t stream_of(void* handle) { return static_cast<cudaStream_t>(handle); }

std::string version_text(int version) {
  return version ? std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10) : "";
}

[[noreturn]] void refuse_index(int index) {
  int count = 0;
  check(cudaGetDeviceCount(&count), "device");
  throw DeviceError("device: index " + std::to_string(index) + " given, " + std::to_string(count) +
                    (count == 1 ? " CUDA device here" : " CUDA devices here") + ", counted from 0");
}

}  // namespace

DeviceGuard::DeviceGuard(int index) : index_(index) {
  check(cudaGetDevice(&former_), "device");
  if (former_ == index_) return;
  const cudaError_t e = cudaSetDevice(index_);
  if (e == cudaErrorInvalidDevice) {
    cudaGetLastError();
    refuse_index(index_);
  }
  check(e, "device");
}

DeviceGuard::~DeviceGuard() {
  if (former_ != index_) cudaSetDevice(former_);
}

CudaState cuda_state() {
  CudaState s;
  s.built_for = cuda::built_for();
  int count = 0, runtime = 0, driver = 0;
  cudaRuntimeGetVersion(&runtime);
  cudaDriverGetVersion(&driver);
  s.runtime = version_text(runtime);
  s.driver = version_text(driver);
  const cudaError_t e = cudaGetDeviceCount(&count);
  if (e != cudaSuccess) s.reason = cuda::explained(e);
  for (int i = 0; e == cudaSuccess && i < count; ++i) {
    cudaDeviceProp p{};
    if (cudaGetDeviceProperties(&p, i) != cudaSuccess) continue;
    CudaDevice d;
    d.name = p.name;
    d.major = p.major;
    d.minor = p.minor;
    d.memory_bytes = static_cast<int64_t>(p.totalGlobalMem);
    s.devices.push_back(d);
  }
  if (s.reason.empty() && s.devices.empty()) s.reason = cuda::explained(cudaErrorNoDevice);
  cudaGetLastError();
  return s;
}

namespace device {

int current() {
  int index = 0;
  check(cudaGetDevice(&index), "device");
  return index;
}

int owner(const void* pointer, const char* arg) {
  cudaPointerAttributes a{};
  check(cudaPointerGetAttributes(&a, pointer), arg);
  const bool device = a.type == cudaMemoryTypeDevice || a.type == cudaMemoryTypeManaged;
  if (!device && !(a.type == cudaMemoryTypeHost && a.devicePointer == pointer))
    throw BadInput(std::string(arg) + ": a pointer that CUDA cannot reach given, memory of a CUDA device expected");
  return a.device;
}

bool same_stream(const void* a, const void* b) {
  const auto number = [](const void* s) { return s ? reinterpret_cast<uintptr_t>(s) : 1; };  // 0 and 1: the legacy one
  return number(a) == number(b);
}

void order(void* later, void* earlier, int index) {
  if (same_stream(later, earlier)) return;
  const DeviceGuard guard(index);
  cudaEvent_t event;
  check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "stream");
  cudaError_t e = cudaEventRecord(event, stream_of(earlier));
  if (e == cudaSuccess) e = cudaStreamWaitEvent(stream_of(later), event, 0);
  cudaEventDestroy(event);  // allowed at once: it lives until it has happened
  check(e, "stream");
}

void* allocate(int64_t bytes, int index) {
  const DeviceGuard guard(index);
  void* memory = nullptr;
  check(cudaMalloc(&memory, static_cast<size_t>(bytes)), "allocation");
  return memory;
}

void release(void* memory, int index) noexcept {
  try {
    const DeviceGuard guard(index);
    cudaFree(memory);
    cudaGetLastError();
  } catch (const Error&) {  // the device is gone, and its memory with it
  }
}

void set(void* memory, const void* bytes, int count, void* stream, int index) {
  const DeviceGuard guard(index);
  for (int i = 0; i < count; ++i)
    check(cudaMemsetAsync(static_cast<char*>(memory) + i, static_cast<const unsigned char*>(bytes)[i], 1,
                          stream_of(stream)),
          "fill");
}

Mark::Mark(void* stream, int index) : index_(index) {
  const DeviceGuard guard(index);
  cudaEvent_t event;
  check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "stream");
  event_ = event;
  check(cudaEventRecord(event, stream_of(stream)), "stream");
}

Mark::~Mark() {
  if (event_) cudaEventDestroy(static_cast<cudaEvent_t>(event_));
}

bool Mark::passed() const {
  const DeviceGuard guard(index_);
  const cudaError_t e = cudaEventQuery(static_cast<cudaEvent_t>(event_));
  if (e != cudaErrorNotReady) check(e, "stream");
  return e == cudaSuccess;
}

}  // namespace device
}  // namespace pyapdraw
