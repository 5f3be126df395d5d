// The device: blocks one after the other (launch.cpp), the threads of a block on fibers that give way where they have
// to wait for others. A thread that never waits costs a function call: the fiber goes on with the next thread.
//
// Who runs next: those whose waiting is over, in the order in which it ended, else the next thread not yet begun. When
// nobody can run and some still wait, the block is stuck, and the fault says who waits where.
#include "device.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "block.h"

namespace emulated {

Place place;

std::string text(const Where& where) {
  return std::string(where.what) + " at " + where.file + ":" + std::to_string(where.line);
}

Block block;
std::vector<std::unique_ptr<Strand>> strands;
std::vector<Strand*> idle;
Fiber* host = nullptr;
Fiber* running = nullptr;
Thread* current = nullptr;
void (*body)(void*);
void* body_arg;

namespace {

void push_ready(Thread& t) {
  t.state = State::runs;
  block.ready[block.last_ready++ % block.ready.size()] = &t;
}

void go_on_as(Thread& t) {
  current = &t;
  place.thread = t.index;
}

void run_threads();

}  // namespace

void add_strand() { strands.push_back(std::make_unique<Strand>(run_threads, static_cast<int>(strands.size()))); }

// The thread sanitizer takes a fiber for a thread, so there each has its own.
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

namespace {

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

// A collective operation that lanes of its mask never reach.
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

}  // namespace emulated
