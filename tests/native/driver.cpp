// Runs the fuzz case of every operation of the Backend table: each instruction set of this machine, odd shapes and
// strides, 1, 2, 3 and 8 threads with equal results, spoilt arguments, and several callers at once. Built under a
// sanitizer by `make sanitize`; it needs no Python.
//
//   driver [--cases 20] [--seed 1] [--only resize] [--callers 4]
//   driver --plant overflow|race|undefined     a fault on purpose: shows that the sanitizer watches
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "core/backend.h"
#include "core/peaks.h"
#include "core/threads.h"
#include "fuzz.h"

using namespace pyapdraw;

namespace {

struct Options {
  int cases = 20, callers = 4;
  uint64_t seed = 1;
  std::string only, plant;
};

Options read(int argc, char** argv) {
  Options o;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i], value = argv[i + 1];
    if (name == "--cases") o.cases = std::atoi(value.c_str());
    if (name == "--callers") o.callers = std::atoi(value.c_str());
    if (name == "--seed") o.seed = std::strtoull(value.c_str(), nullptr, 10);
    if (name == "--only") o.only = value;
    if (name == "--plant") o.plant = value;
  }
  return o;
}

// The faults that the sanitizers are there for, in the way an operation would have them.
void plant(const std::string& kind) {
  std::vector<int> memory(100, 1);
  volatile int sum = 0;
  if (kind == "overflow") {
    int* data = memory.data();
    volatile int beyond = 100;
    sum = data[beyond];
  } else if (kind == "race") {
    long total = 0;
    run_chunks(
        4096, 1, 8,  // for longer than it takes to start a worker
        [](void* p, int64_t a, int64_t) {
          for (int i = 0; i < 1000; ++i) *static_cast<long*>(p) += a;
          std::this_thread::yield();
        },
        &total);
    sum = static_cast<int>(total);
  } else if (kind == "undefined") {
    volatile int large = 0x7fffffff;
    sum = large + 1;
  }
  (void)sum;
}

uint64_t run_once(const fuzz::Entry& entry, uint64_t seed, int threads, bool refusals) {
  fuzz::Case t(seed, threads, refusals);
  try {
    entry.run(t);
  } catch (const std::exception& e) {
    std::printf("FAILED %s, seed %llu, %d threads: %s\n", entry.op, static_cast<unsigned long long>(seed), threads,
                e.what());
    std::fflush(stdout);
    std::exit(1);
  }
  return t.digest();
}

bool every_operation_has_a_fuzz_case() {
  int count = 0, missing = 0;
  const OpEntry* ops = op_entries(&count);
  for (int i = 0; i < count; ++i) {
    if (!ops[i].available(cpu_backend())) continue;
    bool found = false;
    for (const fuzz::Entry& e : fuzz::entries()) found = found || std::strcmp(e.op, ops[i].op) == 0;
    if (!found) ++missing, std::printf("FAILED %s: no PA_FUZZ in tests/native\n", ops[i].op);
  }
  return missing == 0;
}

bool emulated() { return std::strcmp(cpu_backend().name, "emulated") == 0; }

bool wanted(const fuzz::Entry& entry, const Options& o) {
  if (!o.only.empty() && o.only != entry.op) return false;
  int count = 0;
  const OpEntry* ops = op_entries(&count);
  for (int i = 0; i < count; ++i)
    if (std::strcmp(entry.op, ops[i].op) == 0) return ops[i].available(cpu_backend());
  return false;
}

// The same bits from any number of threads; on the emulated device, whose kernels have threads of their own, in any
// order of those.
void all_thread_counts(const fuzz::Entry& entry, uint64_t seed, bool refusals) {
  const uint64_t alone = run_once(entry, seed, 1, refusals);
  std::string other;
  if (emulated()) {
    for (const char* order : {"reverse", "shuffled"}) {
      setenv("EMULATED_ORDER", order, 1);
      if (run_once(entry, seed, 1, false) != alone) other = std::string("with its threads in the order ") + order;
    }
    unsetenv("EMULATED_ORDER");
  } else {
    for (const int threads : {2, 3, 8})
      if (run_once(entry, seed, threads, false) != alone) other = "on " + std::to_string(threads) + " threads";
  }
  if (other.empty()) return;
  std::printf("FAILED %s, seed %llu: other bits %s\n", entry.op, static_cast<unsigned long long>(seed), other.c_str());
  std::exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  const Options o = read(argc, argv);
  if (!o.plant.empty()) {
    plant(o.plant);
    std::puts("the planted fault was not noticed");
    return 0;
  }
  if (!every_operation_has_a_fuzz_case()) return 1;
  const Backend* tables[3];
  const int count = cpu_backends(tables);
  for (int k = 0; k < count; ++k) {
    use_cpu_backend(tables[k]->name);
    std::vector<const fuzz::Entry*> entries;
    for (const fuzz::Entry& entry : fuzz::entries())
      if (wanted(entry, o)) entries.push_back(&entry);
    for (const fuzz::Entry* entry : entries)
      for (int i = 0; i < o.cases; ++i) all_thread_counts(*entry, o.seed + static_cast<uint64_t>(i), i % 4 == 0);
    if (o.only.empty() && !emulated()) machine_peaks(2, 0.01);
    std::vector<std::thread> callers;
    for (int c = 0; c < o.callers; ++c)
      callers.emplace_back([&o, &entries, c] {
        for (int i = 0; i < o.cases; ++i)
          for (const fuzz::Entry* entry : entries)
            run_once(*entry, o.seed + static_cast<uint64_t>(1000 * (c + 1) + i), 8, false);
      });
    for (std::thread& caller : callers) caller.join();
    std::printf("%s: %zu operations, %d cases each %s, then by %d callers at once\n", tables[k]->name, entries.size(),
                o.cases, emulated() ? "in three orders of threads" : "on 1, 2, 3 and 8 threads", o.callers);
    std::fflush(stdout);
  }
  return 0;
}
