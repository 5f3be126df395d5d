// The device: blocks one after the other, the threads of a block on fibers that give way where they have to wait for
// others. A thread that never waits costs a function call: the fiber goes on with the next thread.
//
// Who runs next: those whose waiting is over, in the order in which it ended, else the next thread not yet begun. When
// nobody can run and some still wait, the block is stuck, and the fault says who waits where.
#include "device.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <numeric>
#include <random>
#include <vector>

#include "fiber.h"

namespace emulated {

Place place;
void* shared = nullptr;

std::string text(const Where& where) {
  return std::string(where.what) + " at " + where.file + ":" + std::to_string(where.line);
}

namespace {

enum class State : unsigned char { fresh, runs, at_barrier, in_warp, ended };

struct Thread {
  uint3 index;
  int number = 0;
  State state = State::fresh;
  Fiber* fiber = nullptr;
  Where where{};
  unsigned mask = 0;  // of the collective operation that it waits in
  Combine combine = nullptr;
  Lane lane{};
  char* order = nullptr;  // what carries the memory order of that operation
  Copies copies;
};

struct Warp {
  Thread* lanes;
  int count;
  int order[32];    // in which lanes go on
  char orders[64];  // a round of names for the thread sanitizer, longer than any lane is behind
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
  char barrier_orders[2];  // by turns: a fast thread may be at the next barrier already
  unsigned barriers = 0;
  char start_order, end_order;
  std::string fault;
};

std::mutex device;
Block block;
std::vector<std::unique_ptr<Fiber>> fibers;
std::vector<Fiber*> idle;
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

// The fiber for the next thread to begin. The thread sanitizer takes a fiber for a thread, so there each has its own.
Fiber& fiber_to_begin() {
  if (kThreadSanitizer) {
    const size_t n = static_cast<size_t>(block.order[block.begun]);
    while (fibers.size() <= n) fibers.push_back(std::make_unique<Fiber>(run_threads, static_cast<int>(fibers.size())));
    return *fibers[n];
  }
  if (idle.empty()) {
    fibers.push_back(std::make_unique<Fiber>(run_threads, static_cast<int>(fibers.size())));
    return *fibers.back();
  }
  Fiber* f = idle.back();
  idle.pop_back();
  return *f;
}

// Leaves the running fiber for one that can go on; comes back when it is this one's turn again.
void give_way() {
  Fiber* from = running;
  if (block.first_ready != block.last_ready) {
    Thread& t = *block.ready[block.first_ready++ % block.ready.size()];
    go_on_as(t);
    running = t.fiber;
  } else {
    running = block.begun < block.threads.size() && block.fault.empty() ? &fiber_to_begin() : host;
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

void run_thread(Fiber& fiber) {
  Thread& t = block.threads[static_cast<size_t>(block.order[block.begun++])];
  t.fiber = &fiber;
  t.state = State::runs;
  go_on_as(t);
  acquires(&block.start_order);
  body(body_arg);
  releases(&block.end_order);
  t.state = State::ended;
  --block.live;
  if (block.waiting > 0 && block.waiting == block.live) end_barrier();
}

void run_threads() {
  Fiber::arrived();
  for (Fiber& self = *running;;) {
    do run_thread(self);
    while (!kThreadSanitizer && block.first_ready == block.last_ready && block.begun < block.threads.size());
    idle.push_back(&self);
    give_way();
  }
}

std::string text(const uint3& v) {
  return "(" + std::to_string(v.x) + "," + std::to_string(v.y) + "," + std::to_string(v.z) + ")";
}

std::string text_hex(unsigned mask) {
  char s[16];
  std::snprintf(s, sizeof s, "0x%08x", mask);
  return s;
}

std::string whereabouts(const Thread& t) {
  return "thread " + text(t.index) + " of block " + text(place.block) +
         (t.state == State::ended ? " has ended" : " waits in " + text(t.where));
}

// Why a block that cannot go on cannot: a collective operation that lanes of its mask never reach.
std::string stuck() {
  for (const Thread& t : block.threads) {
    if (t.state != State::in_warp) continue;
    const size_t first = static_cast<size_t>(t.number) / 32 * 32;
    for (size_t l = first; l < first + 32 && l < block.threads.size(); ++l) {
      const Thread& other = block.threads[l];
      if (!(t.mask >> (l - first) & 1) || other.state == State::in_warp) continue;
      return "deadlock: " + whereabouts(t) + " for the lanes " + text_hex(t.mask) + ", but " + whereabouts(other);
    }
  }
  return "deadlock";
}

void begin_block(uint3 index) {
  place.block = index;
  block.first_ready = block.last_ready = 0;
  block.begun = block.waiting = 0;
  block.live = block.threads.size();
  block.votes = {};
  for (Thread& t : block.threads) {
    t.state = State::fresh;
    t.copies = {};
  }
}

void run_block(uint3 index) {
  begin_block(index);
  releases(&block.start_order);
  running = &fiber_to_begin();
  Fiber::switch_to(*host, *running);
  acquires(&block.end_order);
  if (block.fault.empty() && block.live > 0) block.fault = stuck();
}

// Threads begin forward, in reverse, or in an order of its own for every launch.
std::vector<int> some_order(size_t n) {
  std::vector<int> order(n);
  std::iota(order.begin(), order.end(), 0);
  const char* wanted = std::getenv("EMULATED_ORDER");
  if (!wanted) return order;
  static std::mt19937 random(1);
  if (std::strcmp(wanted, "reverse") == 0) std::reverse(order.begin(), order.end());
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
  for (Warp& w : block.warps) w.count = 0;
  for (const int i : block.order) {
    Warp& w = block.warps[static_cast<size_t>(i) / 32];
    w.lanes = &block.threads[static_cast<size_t>(i) / 32 * 32];
    w.order[w.count++] = i % 32;
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

std::string comes_to(const Thread& t, const Where& where) {
  return "thread " + text(t.index) + " of block " + text(place.block) + " comes to " + text(where);
}

bool same(const Where& a, const Where& b) {
  const auto equal = [](const char* s, const char* t) { return s == t || std::strcmp(s, t) == 0; };
  return a.line == b.line && equal(a.file, b.file) && equal(a.what, b.what);
}

}  // namespace

void fault(const std::string& what) {
  block.fault = what;
  running = host;
  block.first_ready = block.last_ready;
  Fiber::switch_to(*current->fiber, *host);
  std::abort();
}

Votes barrier(int predicate, const Where& where) {
  Thread& t = *current;
  if (block.waiting == 0)
    block.first_waiting = &t;
  else if (!same(where, block.first_waiting->where))
    fault("different barriers met: " + comes_to(t, where) + ", but " + whereabouts(*block.first_waiting));
  char* order = &block.barrier_orders[block.barriers % 2];
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

unsigned live_lanes() {
  const Warp& warp = block.warps[static_cast<size_t>(current->number) / 32];
  unsigned mask = 0;
  for (int l = 0; l < warp.count; ++l) mask |= static_cast<unsigned>(warp.lanes[l].state != State::ended) << l;
  return mask;
}

void collective(unsigned mask, const Where& where, Combine combine, const Lane& lane, bool orders_memory) {
  Thread& t = *current;
  Warp& warp = block.warps[static_cast<size_t>(t.number) / 32];
  if (!(mask >> t.number % 32 & 1))
    fault(comes_to(t, where) + " with the mask " + text_hex(mask) + ", which lacks the lane itself");
  t.where = where;
  t.mask = mask;
  t.combine = combine;
  t.lane = lane;
  t.order = nullptr;
  bool all = true;
  for (int l = 0; l < warp.count; ++l) {
    const Thread& other = warp.lanes[l];
    if (!(mask >> l & 1) || &other == &t) continue;
    if (other.state != State::in_warp)
      all = false;
    else if (other.mask != mask || other.combine != combine)
      fault("different warp operations met: " + comes_to(t, where) + " with the mask " + text_hex(mask) + ", but " +
            whereabouts(other) + " with the mask " + text_hex(other.mask));
    else
      t.order = other.order;
  }
  if (orders_memory) {
    if (!t.order) t.order = &warp.orders[warp.round++ % sizeof warp.orders];
    releases(t.order);
  }
  if (all) {
    end_collective(warp, t);
  } else {
    t.state = State::in_warp;
    give_way();
  }
  if (orders_memory) acquires(t.order);
}

Copies& copies() { return current->copies; }

std::string run(dim3 grid, dim3 threads, size_t shared_bytes, void (*fn)(void*), void* arg) {
  std::lock_guard<std::mutex> lock(device);
  Fiber here;
  host = &here;
  body = fn;
  body_arg = arg;
  set_up(grid, threads);
  void* memory = nullptr;
  if (posix_memalign(&memory, 128, shared_bytes ? shared_bytes : 1)) return "out of memory";
  const std::unique_ptr<void, void (*)(void*)> held(memory, std::free);
  shared = memory;
  for (unsigned z = 0; z < grid.z && block.fault.empty(); ++z)
    for (unsigned y = 0; y < grid.y && block.fault.empty(); ++y)
      for (unsigned x = 0; x < grid.x && block.fault.empty(); ++x) {
        std::memset(shared, 0xff, shared_bytes);
        run_block({x, y, z});
      }
  if (!block.fault.empty()) {  // threads hang in the middle of it
    idle.clear();
    fibers.clear();
  }
  return block.fault;
}

}  // namespace emulated
