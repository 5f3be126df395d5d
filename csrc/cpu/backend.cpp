#include "core/backend.h"

#include "cpu/kernels.h"

#define PA_TEXT2(x) #x
#define PA_TEXT(x) PA_TEXT2(x)

namespace pyapdraw {
namespace PA_ISA {

const Backend& backend() {
  static const Backend table = [] {
    Backend b{};
    b.name = PA_TEXT(PA_ISA);
#define PA_OP(op, use, parameters) b.op = op;
#include "core/ops.def"
    return b;
  }();
  return table;
}

}  // namespace PA_ISA
}  // namespace pyapdraw
