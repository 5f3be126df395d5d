#pragma once
// The host's side: attributes of the device and of kernels, and what a launch may not be.
#include "device.h"
#include "machine.h"

enum cudaFuncAttribute {
  cudaFuncAttributeMaxDynamicSharedMemorySize = 8,
  cudaFuncAttributePreferredSharedMemoryCarveout = 9
};
enum cudaDeviceAttr {
  cudaDevAttrMaxThreadsPerBlock = 1,
  cudaDevAttrMaxSharedMemoryPerBlock = 8,
  cudaDevAttrMultiProcessorCount = 16,
  cudaDevAttrMaxThreadsPerMultiProcessor = 39,
  cudaDevAttrComputeCapabilityMajor = 75,
  cudaDevAttrComputeCapabilityMinor = 76,
  cudaDevAttrMaxSharedMemoryPerMultiprocessor = 81,
  cudaDevAttrMaxSharedMemoryPerBlockOptin = 97
};

namespace emulated {

cudaError_t allow_shared(const void* kernel, int bytes);
// What a launch may not be, as the driver says it; null when it may.
const char* launch_error(const Launch& launch);
cudaError_t device_attribute(int* value, cudaDeviceAttr which);

}  // namespace emulated

inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr which, int) {
  return emulated::device_attribute(value, which);
}
template <typename F>
cudaError_t cudaFuncSetAttribute(F* kernel, cudaFuncAttribute which, int value) {
  return which == cudaFuncAttributeMaxDynamicSharedMemorySize
             ? emulated::allow_shared(reinterpret_cast<const void*>(kernel), value)
             : cudaSuccess;
}
template <typename T>
cudaError_t cudaMemcpyAsync(T* to, const void* from, size_t bytes, int, cudaStream_t) {
  memmove(to, from, bytes);
  return cudaSuccess;
}
constexpr int cudaMemcpyDeviceToDevice = 3;
