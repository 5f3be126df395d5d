#include "fiber.h"

#include <sys/mman.h>

#include <cstdint>
#include <new>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(EMULATED_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

#if defined(__x86_64__)
extern "C" void emulated_switch(void** from, void* to);
// Keeps the registers that a called function has to keep, on the old stack, and takes them from the new one.
asm(R"(
  .text
  .hidden emulated_switch
  .globl emulated_switch
  .type emulated_switch, @function
emulated_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size emulated_switch, .-emulated_switch
)");
#endif

namespace emulated {

namespace {

constexpr size_t kGuard = 4096;  // an overrun of the stack stops the program instead of spoiling another one
constexpr size_t kStack = 256 * 1024;
thread_local Fiber* left = nullptr;

}  // namespace

Fiber::Fiber(void (*entry)(), int n) {
  void* m = mmap(nullptr, kGuard + kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (m == MAP_FAILED) throw std::bad_alloc();
  memory_ = static_cast<char*>(m);
  mprotect(memory_, kGuard, PROT_NONE);
  bottom_ = memory_ + kGuard;
  size_ = kStack - static_cast<size_t>(n % 64) * 320;  // the hot ends of all stacks would share a few cache sets
#if defined(__x86_64__)
  void** top = reinterpret_cast<void**>(memory_ + kGuard + size_);
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(entry);
  place_ = top - 6;  // of the registers
#else
  ucontext_t* context = new ucontext_t;
  getcontext(context);
  context->uc_stack.ss_sp = memory_ + kGuard;
  context->uc_stack.ss_size = size_;
  makecontext(context, entry, 0);
  place_ = context;
#endif
#if defined(EMULATED_TSAN)
  sanitizer_fiber_ = __tsan_create_fiber(0);
#endif
}

Fiber::~Fiber() {
#if !defined(__x86_64__)
  delete static_cast<ucontext_t*>(place_);
#endif
  if (!memory_) return;
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(bottom_, kStack);
#endif
#if defined(EMULATED_TSAN)
  __tsan_destroy_fiber(sanitizer_fiber_);
#endif
  munmap(memory_, kGuard + kStack);
}

void Fiber::arrived() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &left->bottom_, &left->size_);
#endif
}

void Fiber::switch_to(Fiber& from, Fiber& to) {
  left = &from;
#if defined(EMULATED_TSAN)
  if (!from.sanitizer_fiber_) from.sanitizer_fiber_ = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(to.sanitizer_fiber_, __tsan_switch_to_fiber_no_sync);
#endif
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&from.fake_stack_, to.bottom_, to.size_);
#endif
#if defined(__x86_64__)
  emulated_switch(&from.place_, to.place_);
#else
  if (!from.place_) from.place_ = new ucontext_t;
  swapcontext(static_cast<ucontext_t*>(from.place_), static_cast<ucontext_t*>(to.place_));
#endif
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(from.fake_stack_, &left->bottom_, &left->size_);
#endif
}

#if defined(EMULATED_TSAN)
void releases(void* by) { __tsan_release(by); }
void acquires(void* by) { __tsan_acquire(by); }
#else
void releases(void*) {}
void acquires(void*) {}
#endif

}  // namespace emulated
