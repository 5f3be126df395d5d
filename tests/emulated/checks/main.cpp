// device_checks            every right kernel, under each order of threads
// device_checks NAME ...   planted faults: prints "NAME: what was noticed", "wrong result" or "not noticed"
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "checks.h"

int main(int argc, char** argv) {
  if (argc == 1) {
    int wrong = 0, done = 0;
    for (const char* order : {"forward", "reverse", "shuffled"}) {
      setenv("EMULATED_ORDER", order, 1);
      for (const checks::Check& c : checks::right()) {
        ++done;
        if (c.run()) continue;
        ++wrong;
        std::printf("FAILED %s, threads %s\n", c.name, order);
      }
    }
    std::printf("emulated device: %d checks, %d failed\n", done, wrong);
    return wrong != 0;
  }
  for (int i = 1; i < argc; ++i) {
    bool known = false;
    for (const checks::Check& c : checks::faults()) {
      if (std::strcmp(c.name, argv[i]) != 0) continue;
      known = true;
      try {
        const bool right = c.run();
        std::printf("%s: %s\n", c.name, right ? "not noticed" : "wrong result");
      } catch (const pyapdraw::Error& e) {
        std::printf("%s: %s\n", c.name, e.what());
      }
      std::fflush(stdout);
    }
    if (!known) {
      std::printf("%s: no such fault\n", argv[i]);
      return 2;
    }
  }
  return 0;
}
