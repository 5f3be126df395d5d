#include "core/pages.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "core/check.h"

namespace pyapdraw {

void hint_large_pages(const Tensor& out) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  constexpr int64_t kLeast = int64_t{32} << 20;
  constexpr uintptr_t kPage = uintptr_t{2} << 20;
  if (out.numel() * item_bytes(out.dtype) < kLeast) return;
  const char *low, *high;
  check::extent(out, &low, &high);
  const uintptr_t from = (reinterpret_cast<uintptr_t>(low) + kPage - 1) / kPage * kPage;
  const uintptr_t to = reinterpret_cast<uintptr_t>(high) / kPage * kPage;
  if (from < to) madvise(reinterpret_cast<void*>(from), to - from, MADV_HUGEPAGE);
#else
  (void)out;
#endif
}

}  // namespace pyapdraw
