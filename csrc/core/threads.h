#pragma once
// The one thread pool of the process. Work is split into chunks that do not depend on the
// number of threads, so results are bit-identical for any of them.
#include <cstdint>

namespace pyapdraw {

using ChunkFn = void (*)(void* arg, int64_t begin, int64_t end);

// Calls fn over [0, n) in chunks of `grain`, on up to `threads` threads (0 = default). A call
// from inside a worker, or while another thread owns the pool, runs on the caller alone.
void run_chunks(int64_t n, int64_t grain, int threads, ChunkFn fn, void* arg);

}  // namespace pyapdraw
