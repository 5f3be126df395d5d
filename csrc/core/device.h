#pragma once
// CUDA devices as the core sees them, without CUDA's headers. csrc/cuda/device.cu implements it; a build without CUDA
// has core/device.cpp, where everything but cuda_state() is Unsupported. Each throws DeviceError with one clear reason.
#include <cstdint>

#include "pyapdraw/device.h"

namespace pyapdraw {

// Makes a device current for this thread, and the former one again at the end.
class DeviceGuard {
 public:
  explicit DeviceGuard(int index);
  ~DeviceGuard();
  DeviceGuard(const DeviceGuard&) = delete;
  DeviceGuard& operator=(const DeviceGuard&) = delete;

 private:
  int former_ = -1, index_;
};

namespace device {

int current();
// The device that owns a pointer; BadInput, beginning with `arg`, where it is no memory that CUDA can reach.
int owner(const void* pointer, const char* arg);
bool same_stream(const void* a, const void* b);
// What is submitted to `later` from now on waits for what `earlier` has been given so far. The host does not wait.
void order(void* later, void* earlier, int index);
// Memory of our own. release() waits until the device is done with it.
void* allocate(int64_t bytes, int index);
void release(void* memory, int index) noexcept;
// The same bytes for one element, on a stream.
void set(void* memory, const void* bytes, int count, void* stream, int index);

// A point in a stream.
class Mark {
 public:
  Mark(void* stream, int index);
  ~Mark();
  Mark(const Mark&) = delete;
  Mark& operator=(const Mark&) = delete;
  bool passed() const;

 private:
  void* event_ = nullptr;
  int index_;
};

}  // namespace device
}  // namespace pyapdraw
