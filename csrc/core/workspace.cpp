#include "core/workspace.h"

#include <cstdlib>
#include <new>

namespace pyapdraw {

namespace {

struct Kept {  // the block of this thread that is not in use
  void* data = nullptr;
  size_t bytes = 0;
  ~Kept() { std::free(data); }
};
thread_local Kept kept;

}  // namespace

Workspace::Workspace(size_t bytes) : data_(nullptr), bytes_((bytes + 127) / 64 * 64) {
  if (kept.bytes >= bytes_) {
    data_ = kept.data;
    bytes_ = kept.bytes;
    kept.data = nullptr;
    kept.bytes = 0;
    return;
  }
  data_ = std::aligned_alloc(64, bytes_);
  if (!data_) throw std::bad_alloc();
}

Workspace::~Workspace() {
  if (bytes_ > kKept || bytes_ <= kept.bytes) {
    std::free(data_);
    return;
  }
  std::free(kept.data);
  kept.data = data_;
  kept.bytes = bytes_;
}

}  // namespace pyapdraw
