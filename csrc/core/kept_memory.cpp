#include "core/kept_memory.h"

#include <cstdlib>
#include <new>

namespace pyapdraw {

namespace {

constexpr size_t kMost = size_t{48} << 20;

struct Kept {  // the block of this thread that is not in use
  MemoryBlock block{nullptr, 0};
  ~Kept() { std::free(block.data); }
};
thread_local Kept kept;

}  // namespace

MemoryBlock take_memory(size_t bytes) {
  const size_t rounded = (bytes + 127) / 64 * 64;
  if (kept.block.bytes >= rounded) {
    const MemoryBlock block = kept.block;
    kept.block = {nullptr, 0};
    return block;
  }
  void* data = std::aligned_alloc(64, rounded);
  if (!data) throw std::bad_alloc();
  return {data, rounded};
}

void give_back(const MemoryBlock& block) {
  if (block.bytes > kMost || block.bytes <= kept.block.bytes) {
    std::free(block.data);
    return;
  }
  std::free(kept.block.data);
  kept.block = block;
}

}  // namespace pyapdraw
