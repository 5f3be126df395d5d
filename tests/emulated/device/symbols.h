#pragma once
// What the symbol table of the module that holds the kernels says about them.
#include <cstddef>
#include <string>
#include <vector>

namespace emulated {

struct Variable {
  char* address;
  size_t bytes;
};

struct Kernel {
  std::string name = "?";
  std::vector<Variable> shared;  // its static __shared__ variables
  size_t shared_bytes = 0;
};

const Kernel& kernel_at(const void* function);

}  // namespace emulated
