/* A libcuda.so.1 that has no device, or is of another version: the CUDA runtime asks it at its first use.
   FAKE_VERSION=11040 FAKE_ERROR=100 (what every function but those for versions returns) */
#include <stdlib.h>
#include <string.h>

static int number(const char* name, int otherwise) {
  const char* value = getenv(name);
  return value ? atoi(value) : otherwise;
}

int cuInit(unsigned flags) { return (void)flags, number("FAKE_ERROR", 100); }
int cuDriverGetVersion(int* version) { return *version = number("FAKE_VERSION", 13000), 0; }
int cuGetExportTable(const void** table, const void* id) { return (void)table, (void)id, 500; }
static int any_other(void) { return number("FAKE_ERROR", 100); }

int cuGetProcAddress_v2(const char* symbol, void** found, int version, unsigned long long flags, int* status) {
  (void)version, (void)flags;
  if (status) *status = 0;
  *found = !strcmp(symbol, "cuInit")                  ? (void*)cuInit
           : !strcmp(symbol, "cuDriverGetVersion")    ? (void*)cuDriverGetVersion
           : !strcmp(symbol, "cuGetExportTable")      ? (void*)cuGetExportTable
           : !strncmp(symbol, "cuGetProcAddress", 16) ? (void*)cuGetProcAddress_v2
                                                      : (void*)any_other;
  return 0;
}

int cuGetProcAddress(const char* symbol, void** found, int version, unsigned long long flags) {
  return cuGetProcAddress_v2(symbol, found, version, flags, 0);
}
