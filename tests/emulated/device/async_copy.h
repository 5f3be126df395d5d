#pragma once
// cp.async: copies are made when they are waited for, and what lies at their target until then is poison, so that a
// missing wait and a target that is still being read give wrong results.
#include <cstdint>

#include "device.h"

namespace emulated {

void copy_later(void* to, const void* from, size_t bytes, bool copy, const Where& where);
void commit_copies();
void wait_for_copies(size_t newer);  // until at most that many groups are under way

void read_row(const void* row, uint64_t (&into)[2]);  // 16 bytes

}  // namespace emulated
