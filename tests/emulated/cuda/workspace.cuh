#pragma once
// Stands in for csrc/cuda/workspace.cuh: a heap block of the exact size for each take(), so that the address sanitizer
// sees every overrun, filled with NaN patterns. A workspace that the caller gives is used as on a device.
#include <cuda_runtime.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "core/backend.h"

namespace pyapdraw {
namespace cuda {

class Workspace {
 public:
  explicit Workspace(const Context& ctx) : ctx_(ctx) {}

  template <typename T>
  T* take(int64_t count) {
    const int64_t bytes = count * static_cast<int64_t>(sizeof(T));
    void* here = static_cast<char*>(ctx_.workspace) + used_;
    used_ += (bytes + 255) / 256 * 256;
    if (ctx_.workspace) return static_cast<T*>(here);
    if (ctx_.workspace_needed) return nullptr;
    blocks_.emplace_back(new char[static_cast<size_t>(bytes)]);
    std::memset(blocks_.back().get(), 0xff, static_cast<size_t>(bytes));
    return reinterpret_cast<T*>(blocks_.back().get());
  }

  bool measured(const char* op) const {
    if (ctx_.workspace_needed) {
      *ctx_.workspace_needed = used_;
      return true;
    }
    ::emulated::called("workspace", static_cast<uintptr_t>(used_));
    if ((ctx_.workspace && ctx_.workspace_bytes < used_) || (!ctx_.workspace && ctx_.allocate && used_ > 0))
      throw ScratchMissing(std::string(op) + ": workspace of " + std::to_string(ctx_.workspace_bytes) +
                               " bytes given, " + std::to_string(used_) +
                               " expected (ask with Context::workspace_needed)",
                           used_);
    return false;
  }

 private:
  const Context& ctx_;
  int64_t used_ = 0;
  std::vector<std::unique_ptr<char[]>> blocks_;
};

}  // namespace cuda
}  // namespace pyapdraw
