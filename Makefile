PYTHON ?= python3
BUILD := build/dev
# An environment of its own, unless one is active already.
ifndef VIRTUAL_ENV
VENV := .venv
PY := $(VENV)/bin/python
else
PY := python
endif

.PHONY: build
build:  ## compile the native module into pyapdraw/ (for work in the source tree)
	@mkdir -p $(BUILD)
	cmake -S . -B $(BUILD) -G Ninja -DPython_EXECUTABLE=$$($(PY) -c 'import sys; print(sys.executable)') \
	  -DPYAPDRAW_CUDA=$${PYAPDRAW_CUDA:-AUTO} > $(BUILD)/configure.log || (cat $(BUILD)/configure.log; exit 1)
	cmake --build $(BUILD) --target _C
	cmake --install $(BUILD) --component python --prefix pyapdraw > /dev/null
