#pragma once
// Scratch memory of one call, cut from what the caller gave (Context::workspace). A host function takes all it needs
// first, then asks whether it is only being measured:
//
//   Workspace scratch(ctx);
//   float* sums = scratch.take<float>(n * outputs);
//   if (scratch.measured("modulated_conv2d")) return;
//
// so that the size asked for and the memory used cannot drift apart.
#include <string>

#include "core/backend.h"

namespace pyapdraw {
namespace cuda {

class Workspace {
 public:
  explicit Workspace(const Context& ctx) : ctx_(ctx) {}

  // count elements, 256-byte aligned, with unknown content. Not to be used before measured() has returned false.
  template <typename T>
  T* take(int64_t count) {
    void* here = static_cast<char*>(ctx_.workspace) + used_;
    used_ += (count * static_cast<int64_t>(sizeof(T)) + 255) / 256 * 256;
    return ctx_.workspace ? static_cast<T*>(here) : nullptr;
  }

  // True when the caller only asked for the size. Otherwise what was taken is there, or ScratchMissing, a BadInput,
  // which core/entry.h answers with that much where it can allocate.
  bool measured(const char* op) const {
    if (ctx_.workspace_needed) {
      *ctx_.workspace_needed = used_;
      return true;
    }
    if (used_ > 0 && (!ctx_.workspace || ctx_.workspace_bytes < used_))
      throw ScratchMissing(std::string(op) + ": workspace of " +
                               std::to_string(ctx_.workspace ? ctx_.workspace_bytes : 0) + " bytes given, " +
                               std::to_string(used_) + " expected (ask with Context::workspace_needed)",
                           used_);
    return false;
  }

 private:
  const Context& ctx_;
  int64_t used_ = 0;
};

}  // namespace cuda
}  // namespace pyapdraw
