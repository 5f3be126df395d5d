#pragma once
// Large outputs on large pages: the first touch of fresh memory costs a fault a page, which for 4 KiB pages takes
// longer than an operation that only moves memory (256 MiB: 110 ms of faults against 26 with 2 MiB pages).
#include "pyapdraw/tensor.h"

namespace pyapdraw {

// Asks for large pages under the elements of a CPU output of at least 32 MiB; smaller ones come from memory that the
// allocator keeps. A hint: without effect where the system does not know it.
void hint_large_pages(const Tensor& out);

}  // namespace pyapdraw
