#include "core/kept_memory.h"

#include <cstdlib>
#include <new>

#include "core/thread_pointer.h"

namespace pyapdraw {

namespace {

constexpr size_t kMost = size_t{48} << 20;

// The block of this thread that is not in use; its size stands in its first bytes.
const ThreadPointer kept(std::free);

size_t size_of(const void* data) { return data ? *static_cast<const size_t*>(data) : 0; }

}  // namespace

MemoryBlock take_memory(size_t bytes) {
  const size_t rounded = (bytes + 127) / 64 * 64;
  void* data = kept.get();
  const size_t size = size_of(data);
  if (size >= rounded && kept.set(nullptr)) return {data, size};
  data = std::aligned_alloc(64, rounded);
  if (!data) throw std::bad_alloc();
  return {data, rounded};
}

void give_back(const MemoryBlock& block) {
  void* before = kept.get();
  if (block.bytes > kMost || block.bytes <= size_of(before) || !kept.set(block.data)) {
    std::free(block.data);
    return;
  }
  *static_cast<size_t*>(block.data) = block.bytes;
  std::free(before);
}

}  // namespace pyapdraw
