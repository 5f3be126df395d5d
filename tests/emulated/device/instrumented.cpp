// Kernels are compiled with -fsanitize=alignment,bounds,float-cast-overflow: faults are a misaligned access, which a
// real device refuses, an index beyond a static array, and a cast of a float that the integer type does not hold, which
// a real device saturates and this one does not (__float2int_rz and its kind do). In the builds under UBSan its own
// runtime reports them.
#include <cstdint>

#include "device.h"

#if !defined(EMULATED_SANITIZED)

namespace {

struct Location {
  const char* file;
  uint32_t line, column;
};

[[noreturn]] void fault_at(const Location* location, const char* what) {
  emulated::fault(emulated::text({what, location->file, static_cast<int>(location->line)}));
}

}  // namespace

// What the compiler calls; the data of each begins with the place in the source.
extern "C" void __ubsan_handle_type_mismatch_v1(const Location* data, uintptr_t) {
  fault_at(data, "misaligned access");
}
extern "C" void __ubsan_handle_out_of_bounds(const Location* data, uintptr_t) { fault_at(data, "index out of bounds"); }
extern "C" void __ubsan_handle_float_cast_overflow(const Location* data, uintptr_t) {
  fault_at(data, "float beyond the integer type");
}

#endif
