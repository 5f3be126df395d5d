// State of the emulated runtime, and the handles by which tests steer it (through ctypes).
#include "machine.h"

#include <map>
#include <mutex>
#include <string>

namespace emulated {

thread_local int current_device = 0;
int driver_version = 13000;
int capability = 90;

namespace {

struct State {
  std::mutex mutex;
  std::map<std::string, int> failing;
  std::map<const void*, int> placed;
  std::string record;
  bool recording = false;
};

State& state() {
  static State s;
  return s;
}

}  // namespace

cudaError_t called(const char* name, uintptr_t detail) {
  State& s = state();
  const std::lock_guard<std::mutex> lock(s.mutex);
  if (s.recording) s.record += std::string(name) + " " + std::to_string(detail) + "\n";
  const auto found = s.failing.find(name);
  return found == s.failing.end() ? cudaSuccess : static_cast<cudaError_t>(found->second);
}

int owner(const void* pointer) {
  State& s = state();
  const std::lock_guard<std::mutex> lock(s.mutex);
  const auto found = s.placed.find(pointer);
  return found == s.placed.end() ? 0 : found->second;
}

}  // namespace emulated

const char* cudaGetErrorName(cudaError_t e) {
  if (e == cudaErrorInvalidValue) return "invalid argument";
  if (e == cudaErrorInvalidConfiguration) return "invalid configuration argument";
  static thread_local std::string name;
  name = "cudaError " + std::to_string(e);
  return name.c_str();
}

#define PA_HANDLE extern "C" __attribute__((visibility("default")))

// From now on `call` fails with `code`; 0 ends that.
PA_HANDLE void emulated_fail(const char* call, int code) {
  emulated::State& s = emulated::state();
  const std::lock_guard<std::mutex> lock(s.mutex);
  if (code)
    s.failing[call] = code;
  else
    s.failing.erase(call);
}

// Memory of another device, or of none (-1); 0 ends that.
PA_HANDLE void emulated_place(const void* pointer, int index) {
  emulated::State& s = emulated::state();
  const std::lock_guard<std::mutex> lock(s.mutex);
  if (index)
    s.placed[pointer] = index;
  else
    s.placed.erase(pointer);
}

PA_HANDLE void emulated_driver(int version) { emulated::driver_version = version; }
PA_HANDLE void emulated_capability(int number) { emulated::capability = number; }
PA_HANDLE int emulated_device() { return emulated::current_device; }

// Calls and what they were made with (stream, device or bytes), one a line, since the last time; recording begins with
// the first question.
PA_HANDLE const char* emulated_record() {
  static thread_local std::string text;
  emulated::State& s = emulated::state();
  const std::lock_guard<std::mutex> lock(s.mutex);
  s.recording = true;
  text.swap(s.record);
  s.record.clear();
  return text.c_str();
}
