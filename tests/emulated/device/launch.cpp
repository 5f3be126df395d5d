// A launch: its threads and warps are set up, its shared memory poisoned, and its blocks run one after the other.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <numeric>
#include <random>

#include "block.h"
#include "symbols.h"

namespace emulated {

void* shared = nullptr;

namespace {

std::mutex device;

// What shared memory holds when a block begins: NaN, -1, the largest unsigned. Whatever a sanitizer has placed between
// variables is no concern of this.
__attribute__((no_sanitize("address"))) void poison(void* memory, size_t bytes) {
  using Word = uint64_t __attribute__((aligned(1), may_alias));
  volatile Word* words = static_cast<volatile Word*>(memory);
  volatile unsigned char* rest = static_cast<volatile unsigned char*>(memory) + bytes / 8 * 8;
  for (size_t i = 0; i < bytes / 8; ++i) words[i] = ~uint64_t{0};
  for (size_t i = 0; i < bytes % 8; ++i) rest[i] = 0xff;
}

// Of exactly that size, so that the address sanitizer sees an overrun.
void* allocate(size_t bytes) {
  void* memory = nullptr;
  if (posix_memalign(&memory, 128, bytes ? bytes : 1)) throw std::bad_alloc();
  return memory;
}

void begin_block(uint3 index) {
  place.block = index;
  block.first_ready = block.last_ready = 0;
  block.begun = block.waiting = 0;
  block.live = block.threads.size();
  block.votes = {};
  for (Thread& t : block.threads) t.state = State::fresh;
  for (Warp& w : block.warps) {
    w.live = w.all;
    w.gathering = 0;
  }
}

void run_block(uint3 index) {
  begin_block(index);
  running = &strand_to_begin();
  Fiber::switch_to(*host, *running);
  if (block.fault.empty() && block.live > 0) block.fault = stuck();
}

// Threads begin forward, in reverse (blocks too), or in an order of its own for every launch.
std::vector<int> some_order(size_t n) {
  std::vector<int> order(n);
  std::iota(order.begin(), order.end(), 0);
  const char* wanted = std::getenv("EMULATED_ORDER");
  block.backwards = wanted && std::strcmp(wanted, "reverse") == 0;
  if (!wanted) return order;
  static std::mt19937 random(1);
  if (block.backwards) std::reverse(order.begin(), order.end());
  if (std::strcmp(wanted, "shuffled") == 0) std::shuffle(order.begin(), order.end(), random);
  return order;
}

void set_up(dim3 grid, dim3 threads) {
  const size_t n = static_cast<size_t>(threads.x) * threads.y * threads.z;
  place.threads = threads;
  place.blocks = grid;
  block.fault.clear();
  block.order = some_order(n);
  block.threads.resize(n);
  block.warps.resize((n + 31) / 32);
  block.ready.resize(n);
  for (size_t i = 0; i < n; ++i) {
    block.threads[i].number = static_cast<int>(i);
    block.threads[i].index = {static_cast<unsigned>(i % threads.x), static_cast<unsigned>(i / threads.x % threads.y),
                              static_cast<unsigned>(i / threads.x / threads.y)};
  }
  while (kThreadSanitizer && strands.size() < n) add_strand();
  for (Warp& w : block.warps) w.count = 0, w.all = 0;
  for (const int i : block.order) {
    Warp& w = block.warps[static_cast<size_t>(i) / 32];
    w.lanes = &block.threads[static_cast<size_t>(i) / 32 * 32];
    w.order[w.count++] = i % 32;
    w.all |= 1u << i % 32;
  }
}

}  // namespace

std::string run(const Launch& launch) {
  std::lock_guard<std::mutex> lock(device);
  Fiber here;
  host = &here;
  body = launch.body;
  body_arg = launch.arg;
  set_up(launch.grid, launch.block);
  const Kernel& kernel = kernel_at(launch.kernel);
  const dim3 grid = launch.grid;
  const size_t blocks = static_cast<size_t>(grid.x) * grid.y * grid.z;
  // Static shared memory is the same for all blocks, dynamic one need not be.
  const size_t group = kThreadSanitizer && kernel.shared.empty() ? std::min(blocks, kGroup) : 1;
  std::vector<std::unique_ptr<void, void (*)(void*)>> memory;
  for (size_t i = 0; i < group; ++i) memory.emplace_back(allocate(launch.shared_bytes), std::free);
  for (size_t i = 0; i < blocks && block.fault.empty(); ++i) {
    const size_t b = block.backwards ? blocks - 1 - i : i;
    block.in_group = i % group;
    if (block.in_group == 0) {
      acquires(&block.end_order);
      releases(&block.start_order);
    }
    shared = memory[block.in_group].get();
    poison(shared, launch.shared_bytes);
    for (const Variable& v : kernel.shared) poison(v.address, v.bytes);
    run_block({static_cast<unsigned>(b % grid.x), static_cast<unsigned>(b / grid.x % grid.y),
               static_cast<unsigned>(b / grid.x / grid.y)});
  }
  acquires(&block.end_order);
  current = nullptr;
  if (block.fault.empty()) return "";
  idle.clear();  // threads hang in the middle of their strands
  strands.clear();
  return kernel.name + ": " + block.fault;
}

}  // namespace emulated
