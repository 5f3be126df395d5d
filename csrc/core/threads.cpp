#include "core/threads.h"

#include <cxxabi.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif
#include <unistd.h>

#include "core/thread_pointer.h"
#include "pyapdraw/ops.h"

namespace pyapdraw {

namespace {

const ThreadPointer busy(nullptr);  // not null within work of the pool

int usable_cores() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return std::max(1u, std::thread::hardware_concurrency());
}

struct Job {
  ChunkFn fn;
  void* arg;
  int64_t n, grain, chunks;
  // Chunks taken from the front (upper half) and from the back (lower half).
  std::atomic<uint64_t> taken{0};
  std::mutex error_mutex;
  std::exception_ptr error;

  // The caller takes chunks from the front, its workers from the back: over a series of operations on the same picture
  // each core then meets the rows again that it still has in its own cache.
  void work(bool from_front) {
    for (;;) {
      const uint64_t before = taken.fetch_add(from_front ? uint64_t{1} << 32 : 1, std::memory_order_relaxed);
      const int64_t front = static_cast<int64_t>(before >> 32), back = static_cast<int64_t>(before & 0xffffffffu);
      if (front + back >= chunks) return;
      const int64_t begin = (from_front ? front : chunks - 1 - back) * grain;
      try {
        fn(arg, begin, std::min(n, begin + grain));
      } catch (...) {
        std::lock_guard<std::mutex> lock(error_mutex);
        if (!error) error = std::current_exception();
        taken.store(static_cast<uint64_t>(chunks) << 32, std::memory_order_relaxed);
      }
    }
  }
};

// How long a thread looks for work, or for the end of it, before it sleeps: waking a sleeping thread takes 30 to 60 us,
// as long as many an operation on a small picture. It yields meanwhile, so that other threads of a busy machine run.
constexpr auto kLookFor = std::chrono::microseconds(60);

template <typename Done>
bool look_for(Done done) {
  for (int i = 0; i < 64; ++i)
    if (done()) return true;
  const auto end = std::chrono::steady_clock::now() + kLookFor;
  do {
    if (done()) return true;
    std::this_thread::yield();
  } while (std::chrono::steady_clock::now() < end);
  return done();
}

// Whether this thread may throw, and ready for it from then on. The library allocates what a thread needs for its first
// exception when that is thrown, and ends the process where there is no memory: so that is done where there is.
bool can_throw() {
  void* volatile room = std::malloc(4096);  // volatile: the compiler takes both results for granted otherwise
  std::free(room);
  if (!room) return false;
  void* volatile ready = abi::__cxa_get_globals();
  return ready != nullptr;
}

class Pool {
 public:
  // Runs the job with up to `helpers` workers beside the caller; false if the pool is in use. A worker that wakes too
  // late is not waited for.
  bool run(Job& job, int helpers) {
    std::unique_lock<std::mutex> owner(owner_, std::try_to_lock);
    if (!owner) return false;
    bool wake;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      grow(helpers);
      job_ = &job;
      places_ = helpers;
      generation_.fetch_add(1, std::memory_order_release);
      wake = sleeping_ > 0;
    }
    if (wake) wake_.notify_all();
    busy.set(this);  // a nested call must not wait for the pool it runs in
    job.work(true);
    busy.set(nullptr);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      job_ = nullptr;  // from here on nobody takes it up
    }
    const auto finished = [this] { return active_.load(std::memory_order_acquire) == 0; };
    if (!look_for(finished)) {
      std::unique_lock<std::mutex> lock(mutex_);
      done_.wait(lock, finished);
    }
    return true;
  }

 private:
  // Where the system has no memory or no room for another thread, those that are there do the work.
  void grow(int helpers) {
    try {
      while (static_cast<int>(workers_.size()) < helpers) workers_.emplace_back([this] { loop(); });
    } catch (const std::exception&) {
    }
  }

  void loop() {
    busy.set(this);
    uint64_t seen = 0;
    bool ready = false;
    for (;;) {
      look_for([&] { return generation_.load(std::memory_order_acquire) != seen; });
      std::unique_lock<std::mutex> lock(mutex_);
      ++sleeping_;
      wake_.wait(lock, [&] { return generation_.load(std::memory_order_relaxed) != seen; });
      --sleeping_;
      seen = generation_.load(std::memory_order_relaxed);
      if (!job_ || places_ == 0) continue;
      if (!ready && !(ready = can_throw())) continue;
      Job* job = job_;
      --places_;
      active_.fetch_add(1, std::memory_order_relaxed);
      lock.unlock();
      job->work(false);
      lock.lock();
      if (active_.fetch_sub(1, std::memory_order_release) == 1) done_.notify_one();
    }
  }

  std::mutex owner_, mutex_;
  std::condition_variable wake_, done_;
  std::vector<std::thread> workers_;
  Job* job_ = nullptr;
  int places_ = 0, sleeping_ = 0;
  std::atomic<int> active_{0};
  std::atomic<uint64_t> generation_{0};
};

// The pool is never destroyed: its threads sleep until the process ends. A forked child has
// none of the threads, so it gets a pool of its own.
Pool& pool() {
  static std::mutex mutex;
  static Pool* current = nullptr;
  static pid_t owner = 0;
  std::lock_guard<std::mutex> lock(mutex);
  if (!current || owner != getpid()) {
    current = new Pool;
    owner = getpid();
  }
  return *current;
}

}  // namespace

int default_threads() {
  static const int chosen = [] {
    if (const char* text = std::getenv("PYAPDRAW_THREADS")) {
      const int n = std::atoi(text);
      if (n > 0) return std::min(n, 256);
    }
    return usable_cores();
  }();
  return chosen;
}

void run_chunks(int64_t n, int64_t grain, int threads, ChunkFn fn, void* arg) {
  if (n <= 0) return;
  grain = std::max({int64_t{1}, grain, n >> 30});  // the two counters have 32 bits each, and room to overshoot
  const int64_t chunks = (n + grain - 1) / grain;
  const int64_t limit = threads > 0 ? threads : default_threads();
  const int helpers = static_cast<int>(std::min({chunks, limit, int64_t{256}})) - 1;
  Job job;
  job.fn = fn;
  job.arg = arg;
  job.n = n;
  job.grain = grain;
  job.chunks = chunks;
  if (helpers <= 0 || busy.get() || !pool().run(job, helpers)) job.work(true);
  if (job.error) std::rethrow_exception(job.error);
}

}  // namespace pyapdraw
