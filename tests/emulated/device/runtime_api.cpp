#include "runtime_api.h"

#include <map>
#include <mutex>

namespace emulated {

namespace {

constexpr int kShared = 48 * 1024, kSharedOptin = 227 * 1024;
std::mutex guard;
std::map<const void*, int> allowed;

}  // namespace

cudaError_t allow_shared(const void* kernel, int bytes) {
  if (bytes < 0 || bytes > kSharedOptin) return cudaErrorInvalidValue;
  std::lock_guard<std::mutex> lock(guard);
  allowed[kernel] = bytes;
  return cudaSuccess;
}

const char* launch_error(const void* kernel, unsigned blocks_x, unsigned blocks_y, unsigned blocks_z,
                         unsigned threads_x, unsigned threads_y, unsigned threads_z, size_t shared_bytes) {
  if (!blocks_x || !blocks_y || !blocks_z || blocks_x > 2147483647u || blocks_y > 65535 || blocks_z > 65535 ||
      !threads_x || !threads_y || !threads_z || threads_x > 1024 || threads_y > 1024 || threads_z > 64 ||
      static_cast<size_t>(threads_x) * threads_y * threads_z > 1024)
    return "invalid configuration argument";
  std::lock_guard<std::mutex> lock(guard);
  const auto found = allowed.find(kernel);
  if (shared_bytes > static_cast<size_t>(found == allowed.end() || found->second < kShared ? kShared : found->second))
    return "invalid argument";
  return nullptr;
}

cudaError_t device_attribute(int* value, cudaDeviceAttr which) {
  switch (which) {
    case cudaDevAttrMaxThreadsPerBlock: *value = 1024; break;
    case cudaDevAttrMaxSharedMemoryPerBlock: *value = kShared; break;
    case cudaDevAttrMultiProcessorCount: *value = 132; break;
    case cudaDevAttrMaxThreadsPerMultiProcessor: *value = 2048; break;
    case cudaDevAttrComputeCapabilityMajor: *value = 9; break;
    case cudaDevAttrComputeCapabilityMinor: *value = 0; break;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor: *value = kSharedOptin + 1024; break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = kSharedOptin; break;
    default: return cudaErrorInvalidValue;
  }
  return cudaSuccess;
}

}  // namespace emulated
