#pragma once
// The machine around the device: two devices, streams, events, memory and errors. Memory is the host's, streams are
// numbers, work is done when it is submitted. Tests make any call fail, and read which calls were made, through the
// functions at the end of machine.cpp.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>

typedef void* cudaStream_t;
typedef void* cudaEvent_t;

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInitializationError = 3,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorStubLibrary = 34,
  cudaErrorInsufficientDriver = 35,
  cudaErrorDevicesUnavailable = 46,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101,
  cudaErrorInvalidKernelImage = 200,
  cudaErrorNoKernelImageForDevice = 209,
  cudaErrorECCUncorrectable = 214,
  cudaErrorNvlinkUncorrectable = 220,
  cudaErrorUnsupportedPtxVersion = 222,
  cudaErrorNotReady = 600,
  cudaErrorIllegalAddress = 700,
  cudaErrorLaunchTimeout = 702,
  cudaErrorContextIsDestroyed = 709,
  cudaErrorAssert = 710,
  cudaErrorHardwareStackError = 714,
  cudaErrorIllegalInstruction = 715,
  cudaErrorMisalignedAddress = 716,
  cudaErrorInvalidAddressSpace = 717,
  cudaErrorInvalidPc = 718,
  cudaErrorLaunchFailure = 719,
  cudaErrorStreamCaptureUnsupported = 900,
  cudaErrorStreamCaptureInvalidated,
  cudaErrorStreamCaptureMerge,
  cudaErrorStreamCaptureUnmatched,
  cudaErrorStreamCaptureUnjoined,
  cudaErrorStreamCaptureIsolation,
  cudaErrorStreamCaptureImplicit,
  cudaErrorCapturedEvent,
  cudaErrorStreamCaptureWrongThread,
  cudaErrorUnknown = 999
};
constexpr unsigned cudaEventDisableTiming = 2;
enum cudaMemoryType { cudaMemoryTypeUnregistered, cudaMemoryTypeHost, cudaMemoryTypeDevice, cudaMemoryTypeManaged };

struct cudaPointerAttributes {
  cudaMemoryType type;
  int device;
  void* devicePointer;
  void* hostPointer;
};
struct cudaDeviceProp {
  char name[256];
  size_t totalGlobalMem;
  int major, minor;
};

namespace emulated {
// The code that this call is to fail with. Every function below asks first; `detail` goes into the record.
cudaError_t called(const char* name, uintptr_t detail = 0);
int owner(const void* pointer);  // device 0 unless a test placed it elsewhere, -1 for memory of the host
extern thread_local int current_device;
extern int driver_version;
extern int capability;  // 90: 9.0
}  // namespace emulated

constexpr int kEmulatedDevices = 2;

const char* cudaGetErrorName(cudaError_t e);  // its number, but for the errors of a launch
inline const char* cudaGetErrorString(cudaError_t e) { return cudaGetErrorName(e); }
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline cudaError_t cudaPeekAtLastError() { return cudaSuccess; }

inline cudaError_t cudaRuntimeGetVersion(int* v) {
  *v = 13000;
  return emulated::called("cudaRuntimeGetVersion");
}
inline cudaError_t cudaDriverGetVersion(int* v) {
  *v = emulated::driver_version;
  return emulated::called("cudaDriverGetVersion");
}
inline cudaError_t cudaGetDeviceCount(int* count) {
  *count = kEmulatedDevices;
  return emulated::called("cudaGetDeviceCount");
}
inline cudaError_t cudaGetDevice(int* index) {
  *index = emulated::current_device;
  return emulated::called("cudaGetDevice");
}
inline cudaError_t cudaSetDevice(int index) {
  if (const cudaError_t e = emulated::called("cudaSetDevice", static_cast<uintptr_t>(index))) return e;
  if (index < 0 || index >= kEmulatedDevices) return cudaErrorInvalidDevice;
  emulated::current_device = index;
  return cudaSuccess;
}
inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int) {
  std::strcpy(p->name, "emulated");
  p->totalGlobalMem = size_t{1} << 30;
  p->major = 9;
  p->minor = 0;
  return emulated::called("cudaGetDeviceProperties");
}
inline cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total) {
  *free_bytes = size_t{5} << 20;
  *total = size_t{1} << 30;
  return emulated::called("cudaMemGetInfo");
}
inline cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* a, const void* pointer) {
  a->device = emulated::owner(pointer);
  a->type = a->device < 0 ? cudaMemoryTypeUnregistered : cudaMemoryTypeDevice;
  a->devicePointer = const_cast<void*>(pointer);
  return emulated::called("cudaPointerGetAttributes");
}
inline cudaError_t cudaMalloc(void** memory, size_t bytes) {
  if (const cudaError_t e = emulated::called("cudaMalloc", bytes)) return e;
  *memory = ::operator new(bytes, std::align_val_t{256});
  std::memset(*memory, 0xff, bytes);
  return cudaSuccess;
}
inline cudaError_t cudaFree(void* memory) {
  ::operator delete(memory, std::align_val_t{256});
  return emulated::called("cudaFree");
}
inline cudaError_t cudaMemsetAsync(void* memory, int value, size_t bytes, cudaStream_t stream) {
  if (const cudaError_t e = emulated::called("cudaMemsetAsync", reinterpret_cast<uintptr_t>(stream))) return e;
  std::memset(memory, value, bytes);
  return cudaSuccess;
}
inline cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new int;
  return emulated::called("cudaEventCreate");
}
inline cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete static_cast<int*>(event);
  return emulated::called("cudaEventDestroy");
}
inline cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t stream) {
  return emulated::called("cudaEventRecord", reinterpret_cast<uintptr_t>(stream));
}
inline cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t, unsigned) {
  return emulated::called("cudaStreamWaitEvent", reinterpret_cast<uintptr_t>(stream));
}
inline cudaError_t cudaEventQuery(cudaEvent_t) { return emulated::called("cudaEventQuery"); }
