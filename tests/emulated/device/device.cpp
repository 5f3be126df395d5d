// The device: blocks one after the other, the threads of a block on fibers that give way where they have to wait for
// others. A thread that never waits costs a function call: the fiber goes on with the next thread.
//
// Who runs next: those whose waiting is over, in the order in which it ended, else the next thread not yet begun. When
// nobody can run and some still wait, the block is stuck, and the fault says who waits where.
#include "device.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <numeric>
#include <random>
#include <vector>

#include "fiber.h"
#include "symbols.h"

namespace emulated {

Place place;
void* shared = nullptr;

std::string text(const Where& where) {
  return std::string(where.what) + " at " + where.file + ":" + std::to_string(where.line);
}

namespace {

// Blocks of a group have no order for the thread sanitizer, so that it finds races between blocks.
constexpr size_t kGroup = 32;

enum class State : unsigned char { fresh, runs, at_barrier, in_warp, ended };

// What a thread runs on.
struct Strand : Fiber {
  using Fiber::Fiber;
  Copies copies;
};

struct Thread {
  uint3 index;
  int number = 0;
  State state = State::fresh;
  Strand* strand = nullptr;
  Where where{};
  unsigned mask = 0;  // of the collective operation that it waits in
  Combine combine = nullptr;
  Lane lane{};
};

// Lanes that wait for the rest of a mask in one operation.
struct Gathering {
  unsigned mask, there;
  const char* what;
  char* order;  // what carries the memory order of the operation
};

struct Warp {
  Thread* lanes;
  int count;
  int order[32];  // in which lanes go on
  unsigned all, live;
  Gathering gatherings[32];
  int gathering = 0;  // how many
  char orders[64];    // a round of names for the thread sanitizer, longer than any lane is behind
  unsigned round = 0;
};

struct Block {
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  std::vector<int> order;      // in which threads begin and go on
  std::vector<Thread*> ready;  // a ring
  size_t first_ready = 0, last_ready = 0;
  size_t begun = 0, live = 0;
  size_t waiting = 0;  // at the barrier
  const Thread* first_waiting = nullptr;
  Votes votes{}, result{};
  size_t in_group = 0;
  char barrier_orders[kGroup][2];  // by turns: a fast thread may be at the next barrier already
  unsigned barriers = 0;
  char start_order, end_order;
  bool backwards = false;
  std::string fault;
};

std::mutex device;
Block block;
std::vector<std::unique_ptr<Strand>> strands;
std::vector<Strand*> idle;
Fiber* host = nullptr;
Fiber* running = nullptr;
Thread* current = nullptr;
void (*body)(void*);
void* body_arg;

void push_ready(Thread& t) {
  t.state = State::runs;
  block.ready[block.last_ready++ % block.ready.size()] = &t;
}

void go_on_as(Thread& t) {
  current = &t;
  place.thread = t.index;
}

void run_threads();

void add_strand() { strands.push_back(std::make_unique<Strand>(run_threads, static_cast<int>(strands.size()))); }

// The fiber for the next thread to begin. The thread sanitizer takes a fiber for a thread, so there each has its own.
Strand& strand_to_begin() {
  if (kThreadSanitizer)
    return *strands[(static_cast<size_t>(block.order[block.begun]) + block.in_group) % block.threads.size()];
  if (idle.empty()) {
    add_strand();
    return *strands.back();
  }
  Strand* f = idle.back();
  idle.pop_back();
  return *f;
}

// Leaves the running fiber for one that can go on; comes back when it is this one's turn again.
void give_way() {
  Fiber* from = running;
  if (block.first_ready != block.last_ready) {
    Thread& t = *block.ready[block.first_ready++ % block.ready.size()];
    go_on_as(t);
    running = t.strand;
  } else {
    running = block.begun < block.threads.size() && block.fault.empty() ? &strand_to_begin() : host;
  }
  if (running != from) Fiber::switch_to(*from, *running);
}

void end_barrier() {
  block.result = block.votes;
  block.votes = {};
  block.waiting = 0;
  ++block.barriers;
  for (const int n : block.order) {
    Thread& t = block.threads[static_cast<size_t>(n)];
    if (t.state == State::at_barrier) push_ready(t);
  }
}

Warp& warp_of(const Thread& t) { return block.warps[static_cast<size_t>(t.number) / 32]; }

void run_thread(Strand& strand) {
  Thread& t = block.threads[static_cast<size_t>(block.order[block.begun++])];
  t.strand = &strand;
  strand.copies.list.clear();
  strand.copies.groups.clear();
  t.state = State::runs;
  go_on_as(t);
  acquires(&block.start_order);
  body(body_arg);
  warp_of(t).live &= ~(1u << t.number % 32);
  releases(&block.end_order);
  t.state = State::ended;
  --block.live;
  if (block.waiting > 0 && block.waiting == block.live) end_barrier();
}

void run_threads() {
  Fiber::arrived();
  for (Strand& self = static_cast<Strand&>(*running);;) {
    do run_thread(self);
    while (!kThreadSanitizer && block.first_ready == block.last_ready && block.begun < block.threads.size());
    if (!kThreadSanitizer) idle.push_back(&self);
    give_way();
  }
}

std::string text(const uint3& v) {
  return "(" + std::to_string(v.x) + "," + std::to_string(v.y) + "," + std::to_string(v.z) + ")";
}

bool equal(const char* a, const char* b) { return a == b || std::strcmp(a, b) == 0; }

bool same(const Where& a, const Where& b) { return a.line == b.line && equal(a.file, b.file) && equal(a.what, b.what); }

// Whether another lane waits in the operation that t has come to.
bool meets(const Thread& t, const Thread& other) {
  return other.state == State::in_warp && other.mask == t.mask && equal(other.where.what, t.where.what);
}

std::string text_hex(unsigned mask) {
  char s[16];
  std::snprintf(s, sizeof s, "0x%08x", mask);
  return s;
}

std::string who(const Thread& t) { return "thread " + text(t.index) + " of block " + text(place.block); }

std::string whereabouts(const Thread& t) {
  if (t.state == State::ended) return who(t) + " has ended";
  return who(t) + " waits in " + text(t.where) +
         (t.state == State::in_warp ? " for the lanes " + text_hex(t.mask) : "");
}

// Why a block that cannot go on cannot: a collective operation that lanes of its mask never reach.
std::string stuck() {
  for (const Thread& t : block.threads) {
    if (t.state != State::in_warp) continue;
    const Warp& warp = warp_of(t);
    for (int l = 0; l < warp.count; ++l)
      if ((t.mask >> l & 1) && &warp.lanes[l] != &t && !meets(t, warp.lanes[l]))
        return "deadlock: " + whereabouts(t) + ", but " + whereabouts(warp.lanes[l]);
  }
  return "deadlock";
}

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

// The last lane of a mask has come: the result for each, and all may go on.
void end_collective(Warp& warp, Thread& last) {
  if (last.combine) {
    Lane lanes[32] = {};
    unsigned there = 0;
    for (int l = 0; l < warp.count; ++l)
      if (last.mask >> l & 1) {
        lanes[l] = warp.lanes[l].lane;
        there |= 1u << l;
      }
    last.combine(lanes, there);
  }
  for (int i = 0; i < warp.count; ++i) {
    Thread& t = warp.lanes[warp.order[i]];
    if ((last.mask >> warp.order[i] & 1) && &t != &last) push_ready(t);
  }
}

}  // namespace

void fault(const std::string& what) {
  if (!current) {
    std::fprintf(stderr, "outside of a kernel: %s\n", what.c_str());
    std::abort();
  }
  block.fault = what;
  running = host;
  block.first_ready = block.last_ready;
  Fiber::switch_to(*current->strand, *host);
  std::abort();
}

Votes barrier(int predicate, const Where& where) {
  Thread& t = *current;
  if (block.waiting == 0)
    block.first_waiting = &t;
  else if (!same(where, block.first_waiting->where))
    fault("different barriers met: " + who(t) + " comes to " + text(where) + ", but " +
          whereabouts(*block.first_waiting));
  char* order = &block.barrier_orders[block.in_group][block.barriers % 2];
  releases(order);
  ++block.votes.threads;
  block.votes.nonzero += predicate != 0;
  t.where = where;
  if (++block.waiting == block.live) {
    end_barrier();
  } else {
    t.state = State::at_barrier;
    give_way();
  }
  acquires(order);
  return block.result;
}

int lane_index() { return current->number % 32; }

unsigned live_lanes() { return warp_of(*current).live; }

void collective(unsigned mask, const Where& where, Combine combine, const Lane& lane, bool orders_memory) {
  Thread& t = *current;
  Warp& warp = warp_of(t);
  const unsigned own = 1u << t.number % 32;
  if (!(mask & own))
    fault(who(t) + " comes to " + text(where) + " for the lanes " + text_hex(mask) + ", itself not among them");
  t.where = where;
  t.mask = mask;
  t.combine = combine;
  t.lane = lane;
  Gathering* g = warp.gatherings;
  Gathering* const end = g + warp.gathering;
  while (g != end && !(g->mask == mask && equal(g->what, where.what))) ++g;
  if (g == end) {
    *g = {mask, 0, where.what, &warp.orders[warp.round++ % sizeof warp.orders]};
    ++warp.gathering;
  }
  char* order = g->order;
  if (orders_memory) releases(order);
  g->there |= own;
  if (g->there == (mask & warp.all)) {
    *g = warp.gatherings[--warp.gathering];
    end_collective(warp, t);
  } else {
    t.state = State::in_warp;
    give_way();
  }
  if (orders_memory) acquires(order);
}

Copies& copies() { return current->strand->copies; }

void fence() {
  static char order;
  acquires(&order);
  releases(&order);
}

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
