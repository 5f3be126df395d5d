#pragma once
// The intrinsics of x86, whichever of them the instruction set has; on another machine there are none.
#if defined(__SSE2__)
// GCC 12 warns of its own "undefined" vectors in there (GCC bug 105593).
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#endif
