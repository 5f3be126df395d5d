// The device: blocks one after the other, the threads of a block as fibers that give way at
// __syncthreads(). Also the table of kernels, under the name of the baseline CPU, so that the
// module built from these sources passes every CPU tensor through the CUDA kernels.
#include <cuda_runtime.h>
#include <ucontext.h>

#include <mutex>
#include <vector>

#include "core/backend.h"
#include "core/peaks.h"

namespace emulated {

Place place;
void* shared = nullptr;

namespace {

constexpr size_t kStack = 64 * 1024;

struct Fiber {
  ucontext_t context;
  dim3 index;
  bool ended = false;
};

std::mutex device;
std::vector<char> stacks;
ucontext_t scheduler;
Fiber* current = nullptr;
void (*body)(void*);
void* body_arg;

void start() {
  body(body_arg);
  current->ended = true;
}

void run_block(std::vector<Fiber>& fibers) {
  for (size_t i = 0; i < fibers.size(); ++i) {
    Fiber& f = fibers[i];
    f.ended = false;
    getcontext(&f.context);
    f.context.uc_stack.ss_sp = stacks.data() + i * kStack;
    f.context.uc_stack.ss_size = kStack;
    f.context.uc_link = &scheduler;
    makecontext(&f.context, start, 0);
  }
  for (bool left = true; left;) {
    left = false;
    for (Fiber& f : fibers) {
      if (f.ended) continue;
      current = &f;
      place.thread = f.index;
      swapcontext(&scheduler, &f.context);
      left = left || !f.ended;
    }
  }
}

}  // namespace

void wait() { swapcontext(&current->context, &scheduler); }

void run(dim3 grid, dim3 block, size_t shared_bytes, void (*fn)(void*), void* arg) {
  std::lock_guard<std::mutex> lock(device);
  std::vector<char> memory(shared_bytes + 64);
  shared = memory.data();
  body = fn;
  body_arg = arg;
  place.threads = block;
  place.blocks = grid;
  std::vector<Fiber> fibers(static_cast<size_t>(block.x) * block.y * block.z);
  stacks.resize(fibers.size() * kStack);
  for (size_t i = 0; i < fibers.size(); ++i)
    fibers[i].index = dim3(static_cast<unsigned>(i % block.x), static_cast<unsigned>(i / block.x % block.y),
                           static_cast<unsigned>(i / block.x / block.y));
  for (unsigned z = 0; z < grid.z; ++z)
    for (unsigned y = 0; y < grid.y; ++y)
      for (unsigned x = 0; x < grid.x; ++x) {
        place.block = dim3(x, y, z);
        run_block(fibers);
      }
}

}  // namespace emulated

namespace pyapdraw {
namespace cpu_base {

const Backend& backend() { return *cuda_backend(); }

PeakKernels peak_kernels() { return {}; }  // nothing here is timed

}  // namespace cpu_base
}  // namespace pyapdraw
