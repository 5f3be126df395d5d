#pragma once
// csrc/cpu/*.cpp is compiled once an instruction set, each time into a namespace of its own
// (PA_ISA, set by CMake). Nothing with external linkage may leave that namespace, or the
// linker could hand AVX-512 code to an older machine: no std containers or std::function here.
#ifndef PA_ISA
#define PA_ISA cpu_base
#endif
