#pragma once
// One block of memory that a thread keeps between calls: fresh pages cost a fault each on first touch, which for a 512
// px drawing is a fifth of its time. Kernels get it as Scratch (cpu/scratch.h).
#include <cstddef>

namespace pyapdraw {

struct MemoryBlock {
  void* data;  // 64-byte aligned, contents undefined
  size_t bytes;
};

// At least so many bytes: the thread's block where that is free and large enough, else fresh memory.
MemoryBlock take_memory(size_t bytes);

// Keeps the larger of this block and the one that is kept; a block beyond 48 MiB is freed at once.
void give_back(const MemoryBlock& block);

}  // namespace pyapdraw
