#pragma once
// One pointer of each thread. Not thread_local: glibc allocates the variables of a loaded module when a thread first
// touches one of them, and ends the process where there is no memory; here that is a call which fails.
#include <pthread.h>

#include <new>

namespace pyapdraw {

class ThreadPointer {
 public:
  // drop: what becomes of a pointer when its thread ends, null: nothing.
  explicit ThreadPointer(void (*drop)(void*)) {
    if (pthread_key_create(&key_, drop) != 0) throw std::bad_alloc();
  }
  void* get() const { return pthread_getspecific(key_); }
  bool set(const void* pointer) const { return pthread_setspecific(key_, pointer) == 0; }  // false: no memory

 private:
  pthread_key_t key_;
};

}  // namespace pyapdraw
