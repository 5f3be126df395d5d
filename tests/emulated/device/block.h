#pragma once
// The block that is being run, for the two files that make up the device: device.cpp, which lets its threads take
// turns, and launch.cpp, which begins one block after the other.
#include <memory>
#include <string>
#include <vector>

#include "device.h"
#include "fiber.h"

namespace emulated {

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

extern Block block;
extern std::vector<std::unique_ptr<Strand>> strands;
extern std::vector<Strand*> idle;
extern Fiber* host;
extern Fiber* running;
extern Thread* current;
extern void (*body)(void*);
extern void* body_arg;

inline Warp& warp_of(const Thread& t) { return block.warps[static_cast<size_t>(t.number) / 32]; }

void add_strand();
Strand& strand_to_begin();  // the fiber for the next thread to begin
std::string stuck();        // why a block that cannot go on cannot

}  // namespace emulated
