#pragma once
// The emulated device as kernels and launch() see it; device.cpp says how it works.
#include <cstddef>
#include <string>
#include <vector>

#include "vector_types.h"

namespace emulated {

struct Place {
  uint3 thread, block;
  dim3 threads, blocks;
};
extern Place place;   // of the thread that runs
extern void* shared;  // the dynamic part, of exactly the size of the launch

struct Where {
  const char* what;  // "__syncthreads", "__shfl_sync", ...
  const char* file;
  int line;
};
std::string text(const Where& where);

// Waits until all threads of the block that have not ended have come here.
struct Votes {
  int threads, nonzero;
};
Votes barrier(int predicate, const Where& where);

// What a lane brings to a collective operation of its warp.
struct Lane {
  const void* in;
  void* out;
  int argument;
};
// Computes out of all lanes of the mask at once; lanes outside of it hold nothing.
using Combine = void (*)(const Lane (&lanes)[32], unsigned mask);

// Waits until all lanes of the mask have come here, and runs combine once. orders_memory: what a lane of the mask wrote
// before is seen by all of them afterwards.
void collective(unsigned mask, const Where& where, Combine combine, const Lane& lane, bool orders_memory = false);
int lane_index();
unsigned live_lanes();  // of this warp

// Copies from global to shared memory of this thread that have not been waited for.
struct Copies {
  struct Copy {
    void* to;
    const void* from;  // null: zeros
    size_t bytes;
  };
  std::vector<Copy> list;
  std::vector<size_t> groups;  // ends in the list
};
Copies& copies();

void fence();  // what was written before one is ordered before what follows a later one, also between blocks

[[noreturn]] void fault(const std::string& what);  // in a kernel: the block is given up, launch() throws what

struct Launch {
  const void* kernel;
  dim3 grid, block;
  size_t shared_bytes;
  void (*body)(void* arg);  // calls the kernel
  void* arg;
};
// Runs body for every thread of the grid, or returns what went wrong.
std::string run(const Launch& launch);

}  // namespace emulated

#define EMULATED_WHERE const char *file = __builtin_FILE(), int line = __builtin_LINE()
