# make demo   draw a public-domain portrait and a clip made from it
# make check  style, types and the quick lane of the tests, in two minutes
# make test   everything that can be tested on this machine
# make bench  speed and quality tables       make lint  ruff, mypy, clang-format
# make sanitize   the native core under AddressSanitizer, UBSan and ThreadSanitizer
# Each sets up .venv with the versions of constraints.txt first.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
BUILD := build/dev
PIP := $(RUN) -m pip install -q --disable-pip-version-check -c constraints.txt
# `make build` works in an active environment as well, for those who keep their own.
BUILD_PYTHON := $(if $(VIRTUAL_ENV),$(VIRTUAL_ENV)/bin/python,$(CURDIR)/$(RUN))
# A process for every core; those that wait for another's thread do not keep a core from it.
PYTEST := OMP_WAIT_POLICY=passive $(RUN) -m pytest -q -n auto --maxprocesses 8 --dist worksteal --benchmark-disable
NATIVE := $(shell find csrc -type f) CMakeLists.txt setup.py

.PHONY: demo check quick test bench sanitize lint format build clean

demo: $(VENV)/.ready
	$(RUN) examples/demo.py --out out/demo

check: $(VENV)/.ready
	$(MAKE) --no-print-directory -j 2 -O lint quick

quick: $(VENV)/.ready
	$(PYTEST) -m "not slow"

test: $(VENV)/.ready
	$(PYTEST)

bench: $(VENV)/.ready
	$(RUN) bench/run.py

sanitize: $(VENV)/.packages
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" tests/native/sanitize.sh

lint: $(VENV)/.ready
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check pyapdraw tests bench examples setup.py
	$(RUN) -m mypy
	$(VENV)/bin/clang-format --dry-run --Werror $$(git ls-files 'tests/native/*.cpp' 'tests/native/*.h' 'tests/emulated/*.cpp' 'tests/emulated/*.h' 'tests/emulated/*.cuh' 'csrc/*.cpp' 'csrc/*.h' 'csrc/*.cu' 'csrc/*.cuh')

format:
	$(VENV)/bin/clang-format -i $$(git ls-files 'tests/native/*.cpp' 'tests/native/*.h' 'tests/emulated/*.cpp' 'tests/emulated/*.h' 'tests/emulated/*.cuh' 'csrc/*.cpp' 'csrc/*.h' 'csrc/*.cu' 'csrc/*.cuh')

$(VENV)/.packages: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) setuptools wheel pybind11 cmake ninja
	$(PIP) torch
	@touch $@

$(VENV)/.ready: $(VENV)/.packages $(NATIVE)
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(PIP) --no-build-isolation -e '.[dev,train]'
	@touch $@

build:  ## the native module alone, compiled into pyapdraw/
	@mkdir -p $(BUILD)
	cmake -S . -B $(BUILD) -G Ninja -DPython_EXECUTABLE=$(BUILD_PYTHON) \
	  -DPYAPDRAW_CUDA=$${PYAPDRAW_CUDA:-AUTO} $$CMAKE_ARGS > $(BUILD)/configure.log || (cat $(BUILD)/configure.log; exit 1)
	cmake --build $(BUILD) --target _C
	cmake --install $(BUILD) --component python --prefix pyapdraw > /dev/null

clean:
	rm -rf build out $(VENV) pyapdraw/_C*.so
