#include "runtime_api.h"

#include <map>
#include <mutex>

#include "machine.h"
#include "symbols.h"

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

const char* launch_error(const Launch& launch) {
  const dim3 grid = launch.grid, block = launch.block;
  const size_t blocks = static_cast<size_t>(grid.x) * grid.y * grid.z;
  const size_t threads = static_cast<size_t>(block.x) * block.y * block.z;
  if (blocks == 0 || grid.x > 2147483647u || grid.y > 65535 || grid.z > 65535 || threads == 0 || block.x > 1024 ||
      block.y > 1024 || block.z > 64 || threads > 1024)
    return "invalid configuration argument";
  const size_t fixed = kernel_at(launch.kernel).shared_bytes;
  std::lock_guard<std::mutex> lock(guard);
  const auto found = allowed.find(launch.kernel);
  const bool more = found != allowed.end() && launch.shared_bytes <= static_cast<size_t>(found->second);
  if (fixed > kShared || fixed + launch.shared_bytes > static_cast<size_t>(more ? kSharedOptin : kShared))
    return "invalid argument";
  return nullptr;
}

cudaError_t device_attribute(int* value, cudaDeviceAttr which) {
  switch (which) {
    case cudaDevAttrMaxThreadsPerBlock: *value = 1024; break;
    case cudaDevAttrMaxSharedMemoryPerBlock: *value = kShared; break;
    case cudaDevAttrMultiProcessorCount: *value = 132; break;
    case cudaDevAttrMaxThreadsPerMultiProcessor: *value = 2048; break;
    case cudaDevAttrComputeCapabilityMajor: *value = capability / 10; break;
    case cudaDevAttrComputeCapabilityMinor: *value = capability % 10; break;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor: *value = kSharedOptin + 1024; break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = kSharedOptin; break;
    default: return cudaErrorInvalidValue;
  }
  return cudaSuccess;
}

}  // namespace emulated
