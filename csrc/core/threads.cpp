#include "core/threads.h"

#include <algorithm>
#include <atomic>
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

#include "pyapdraw/ops.h"

namespace pyapdraw {

namespace {

thread_local bool inside_worker = false;

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
  int64_t n, grain;
  std::atomic<int64_t> next{0};
  std::mutex error_mutex;
  std::exception_ptr error;

  void work() {
    for (;;) {
      const int64_t begin = next.fetch_add(grain, std::memory_order_relaxed);
      if (begin >= n) return;
      try {
        fn(arg, begin, std::min(n, begin + grain));
      } catch (...) {
        std::lock_guard<std::mutex> lock(error_mutex);
        if (!error) error = std::current_exception();
        next.store(n, std::memory_order_relaxed);
      }
    }
  }
};

class Pool {
 public:
  // Runs the job with `helpers` workers beside the caller; false if the pool is in use.
  bool run(Job& job, int helpers) {
    std::unique_lock<std::mutex> owner(owner_, std::try_to_lock);
    if (!owner) return false;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      while (static_cast<int>(workers_.size()) < helpers) {
        const int index = static_cast<int>(workers_.size());
        workers_.emplace_back([this, index] { loop(index); });
      }
      job_ = &job;
      wanted_ = helpers;
      running_ = helpers;
      ++generation_;
    }
    wake_.notify_all();
    inside_worker = true;  // a nested call must not wait for the pool it runs in
    job.work();
    inside_worker = false;
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [this] { return running_ == 0; });
    job_ = nullptr;
    return true;
  }

 private:
  void loop(int index) {
    inside_worker = true;
    uint64_t seen = 0;
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      wake_.wait(lock, [&] { return generation_ != seen; });
      seen = generation_;
      if (index >= wanted_ || !job_) continue;
      Job* job = job_;
      lock.unlock();
      job->work();
      lock.lock();
      if (--running_ == 0) done_.notify_one();
    }
  }

  std::mutex owner_, mutex_;
  std::condition_variable wake_, done_;
  std::vector<std::thread> workers_;
  Job* job_ = nullptr;
  int wanted_ = 0, running_ = 0;
  uint64_t generation_ = 0;
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
  grain = std::max<int64_t>(1, grain);
  const int64_t chunks = (n + grain - 1) / grain;
  const int64_t limit = threads > 0 ? threads : default_threads();
  const int helpers = static_cast<int>(std::min({chunks, limit, int64_t{256}})) - 1;
  Job job;
  job.fn = fn;
  job.arg = arg;
  job.n = n;
  job.grain = grain;
  if (helpers <= 0 || inside_worker || !pool().run(job, helpers)) job.work();
  if (job.error) std::rethrow_exception(job.error);
}

}  // namespace pyapdraw
