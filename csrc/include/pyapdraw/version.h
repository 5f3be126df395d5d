#pragma once
// The one place where the version is written; setup.py and CMake read it from here.
#define PYAPDRAW_VERSION "0.1.0"
