// Kernels are static functions and their __shared__ variables static variables within them, so both are in the symbol
// table only: it is read from the file of the module. The name of such a variable begins with that of its function.
#include "symbols.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <elf.h>
#include <link.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>

namespace emulated {

namespace {

struct Symbols {
  std::map<const void*, std::string> functions;
  std::map<std::string, Variable> variables;
};

// dladdr gives where this module lies in memory, and its file.
Symbols read_symbols() {
  Symbols symbols;
  Dl_info info;
  if (!dladdr(reinterpret_cast<const void*>(&kernel_at), &info)) return symbols;
  std::ifstream file(info.dli_fname, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (bytes.size() < sizeof(ElfW(Ehdr))) return symbols;
  const auto* header = reinterpret_cast<const ElfW(Ehdr)*>(bytes.data());
  const auto* sections = reinterpret_cast<const ElfW(Shdr)*>(bytes.data() + header->e_shoff);
  char* base = header->e_type == ET_DYN ? static_cast<char*>(info.dli_fbase) : nullptr;
  for (int s = 0; s < header->e_shnum; ++s) {
    if (sections[s].sh_type != SHT_SYMTAB) continue;
    const char* names = bytes.data() + sections[sections[s].sh_link].sh_offset;
    const auto* symbol = reinterpret_cast<const ElfW(Sym)*>(bytes.data() + sections[s].sh_offset);
    for (size_t n = sections[s].sh_size / sizeof *symbol; n > 0; --n, ++symbol) {
      const char* name = names + symbol->st_name;
      const int type = symbol->st_info & 15;
      if (type == STT_FUNC) symbols.functions[base + symbol->st_value] = name;
      if (type == STT_OBJECT && std::strncmp(name, "_ZZ", 3) == 0)
        symbols.variables[name] = {base + symbol->st_value, symbol->st_size};
    }
  }
  return symbols;
}

// void pyapdraw::cuda::(anonymous namespace)::name<int>(...) -> name<int>
std::string readable(const std::string& symbol) {
  const std::unique_ptr<char, void (*)(void*)> text(abi::__cxa_demangle(symbol.c_str(), nullptr, nullptr, nullptr),
                                                    std::free);
  std::string s = text ? text.get() : symbol;
  const std::string anonymous = "(anonymous namespace)::";
  const size_t from = s.rfind(anonymous, s.find(anonymous));
  if (from != std::string::npos) s = s.substr(from + anonymous.size());
  if (s.compare(0, 5, "void ") == 0) s = s.substr(5);
  return s.substr(0, s.find('('));
}

Kernel describe(const Symbols& symbols, const void* function) {
  Kernel kernel;
  const auto found = symbols.functions.find(function);
  if (found == symbols.functions.end()) return kernel;
  const std::string& symbol = found->second;
  kernel.name = readable(symbol);
  const std::string prefix = "_ZZ" + symbol.substr(std::min<size_t>(2, symbol.size())) + "E";
  for (auto v = symbols.variables.lower_bound(prefix);
       v != symbols.variables.end() && v->first.compare(0, prefix.size(), prefix) == 0; ++v) {
    kernel.shared.push_back(v->second);
    kernel.shared_bytes += v->second.bytes;
  }
  return kernel;
}

}  // namespace

const Kernel& kernel_at(const void* function) {
  static std::mutex guard;
  static const Symbols symbols = read_symbols();
  static std::map<const void*, Kernel> known;
  std::lock_guard<std::mutex> lock(guard);
  const auto found = known.find(function);
  return found != known.end() ? found->second : known.emplace(function, describe(symbols, function)).first->second;
}

}  // namespace emulated
