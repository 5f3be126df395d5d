#pragma once
// A stack with an own flow of control: switch_to() leaves one and goes on in another. A switch on x86-64 is fourteen
// instructions; elsewhere ucontext. The sanitizers are told of every switch.
#include <cstddef>

namespace emulated {

#if defined(EMULATED_TSAN)  // the device itself is not instrumented
constexpr bool kThreadSanitizer = true;
#else
constexpr bool kThreadSanitizer = false;
#endif

class Fiber {
 public:
  Fiber() = default;              // the flow of control that is there already
  Fiber(void (*entry)(), int n);  // entry must not return; n: fibers of different n use different cache lines
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  static void switch_to(Fiber& from, Fiber& to);
  static void arrived();  // the first call of every entry

 private:
  void* place_ = nullptr;  // where it was left
  char* memory_ = nullptr;
  const void* bottom_ = nullptr;
  size_t size_ = 0;
  void* fake_stack_ = nullptr;
  void* sanitizer_fiber_ = nullptr;
};

// Happens-before edges for the thread sanitizer, which takes fibers for threads.
void releases(void* by);
void acquires(void* by);

}  // namespace emulated
