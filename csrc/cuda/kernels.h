#pragma once
// The CUDA entry points: one line an operation, same signatures as Backend.
#include "core/backend.h"

namespace pyapdraw {
namespace cuda {

}  // namespace cuda
}  // namespace pyapdraw
