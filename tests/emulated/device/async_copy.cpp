// Accesses to the memory of kernels on their behalf, so instrumented as they are.
#include "async_copy.h"

#include <cstdint>
#include <cstring>

namespace emulated {

void copy_later(void* to, const void* from, size_t bytes, bool copy, const Where& where) {
  if (reinterpret_cast<uintptr_t>(to) % bytes || (copy && reinterpret_cast<uintptr_t>(from) % bytes))
    fault("misaligned address in " + text(where));
  std::memset(to, 0xff, bytes);
  copies().list.push_back({to, copy ? from : nullptr, bytes});
}

void commit_copies() { copies().groups.push_back(copies().list.size()); }

void wait_for_copies(size_t newer) {
  Copies& c = copies();
  if (c.groups.size() <= newer) return;
  const size_t ended = c.groups.size() - newer, made = c.groups[ended - 1];
  for (size_t i = 0; i < made; ++i) {
    const Copies::Copy& copy = c.list[i];
    if (copy.from)
      std::memcpy(copy.to, copy.from, copy.bytes);
    else
      std::memset(copy.to, 0, copy.bytes);
  }
  c.list.erase(c.list.begin(), c.list.begin() + static_cast<std::ptrdiff_t>(made));
  c.groups.erase(c.groups.begin(), c.groups.begin() + static_cast<std::ptrdiff_t>(ended));
  for (size_t& end : c.groups) end -= made;
}

void read_row(const void* row, uint64_t (&into)[2]) {
  into[0] = static_cast<const uint64_t*>(row)[0];
  into[1] = static_cast<const uint64_t*>(row)[1];
}

}  // namespace emulated
