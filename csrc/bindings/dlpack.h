#pragma once
// The parts of the DLPack ABI (version 1.x, https://dmlc.github.io/dlpack) that this module
// reads, and the exchange table that torch publishes as `__dlpack_c_exchange_api__`.
#include <cstdint>

namespace pyapdraw {
namespace dlpack {

constexpr int32_t kCPU = 1, kCUDA = 2, kCUDAHost = 3, kCUDAManaged = 13;
constexpr uint8_t kInt = 0, kUInt = 1, kFloat = 2, kBfloat = 4, kBool = 6;
constexpr uint64_t kFlagReadOnly = 1;

struct DLDevice {
  int32_t type;
  int32_t index;
};
struct DLDataType {
  uint8_t code;
  uint8_t bits;
  uint16_t lanes;
};
struct DLTensor {
  void* data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t* shape;
  int64_t* strides;  // in elements, or null for contiguous
  uint64_t byte_offset;
};
struct DLManagedTensor {  // capsule "dltensor"
  DLTensor tensor;
  void* context;
  void (*deleter)(DLManagedTensor*);
};
struct Version {
  uint32_t major, minor;
};
struct DLManagedTensorVersioned {  // capsule "dltensor_versioned"
  Version version;
  void* context;
  void (*deleter)(DLManagedTensorVersioned*);
  uint64_t flags;
  DLTensor tensor;
};
struct ExchangeTable {  // capsule "dlpack_exchange_api"
  Version version;
  void* previous;
  void* allocate;
  void* managed_from_object;
  void* managed_to_object;
  int (*borrow)(void* object, DLTensor* out);  // may be null
  int (*current_stream)(int32_t device_type, int32_t device_index, void** stream);
};

}  // namespace dlpack
}  // namespace pyapdraw
