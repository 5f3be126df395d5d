#pragma once
// Working memory that a thread keeps between calls: fresh pages cost a fault each on first touch, which for a 512 px
// drawing is a fifth of its time. Blocks beyond kKept bytes are freed at once. 64-byte aligned, contents undefined.
#include <cstddef>

namespace pyapdraw {

class Workspace {
 public:
  static constexpr size_t kKept = size_t{48} << 20;
  explicit Workspace(size_t bytes);
  ~Workspace();
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  void* get() const { return data_; }

 private:
  void* data_;
  size_t bytes_;
};

}  // namespace pyapdraw
