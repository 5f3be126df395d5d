"""The thread pool: callers in parallel, fork, errors, and a bounded number of workers."""

import multiprocessing
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from cases_distance_transform import line_drawing

from pyapdraw import _C
from pyapdraw.errors import BadInput
from pyapdraw.ops import distance_transform, distance_transform_pair


def test_many_threads_may_call_at_once():
    images = [line_drawing(160, seed) for seed in range(4)]
    expected = [distance_transform(i) for i in images]
    start = threading.Barrier(8)

    def work(k):
        start.wait()
        return all(np.array_equal(distance_transform(images[(k + r) % 4]), expected[(k + r) % 4]) for r in range(20))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))


def test_calls_with_other_thread_counts_may_alternate():
    image = line_drawing(200)
    expected = distance_transform(image)
    out = np.empty_like(expected)
    for threads in [1, 4, 2, 7, 1, 3] * 10:
        out.fill(-1)
        _C.distance_transform(image, out, False, _C.Context(threads=threads))
        np.testing.assert_array_equal(out, expected)


def test_a_refused_call_leaves_the_pool_usable():
    image = line_drawing(100)
    expected = distance_transform(image)
    for _ in range(20):
        with pytest.raises(BadInput):
            distance_transform(image, out=np.empty((3, 3), np.float32))
        np.testing.assert_array_equal(distance_transform(image), expected)


def test_an_exception_inside_a_worker_reaches_the_caller():
    # The scratch rows of this width cannot be allocated inside an address space that small.
    code = """
import resource, numpy as np
from pyapdraw import _C
small = np.eye(64, dtype=bool)
out = np.empty(small.shape, np.float32)
_C.distance_transform(small, out, False, _C.Context(threads=2))
wide = np.zeros((4, 30_000_000), bool)
to = np.empty(wide.shape, np.float32)
used = int(open('/proc/self/statm').read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (used + (600 << 20), -1))
try:
    _C.distance_transform(wide, to, False, _C.Context(threads=2))
except MemoryError:
    again = np.empty(small.shape, np.float32)
    _C.distance_transform(small, again, False, _C.Context(threads=2))
    assert (again == out).all()
    print('refused')
"""
    if not sys.platform.startswith("linux"):
        pytest.skip("address space limits are set the Linux way")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout.strip() == "refused", done.stderr


NESTED = r"""
#include <atomic>
#include <cstdio>
#include <stdexcept>
#include <thread>
#include <vector>
#include "core/threads.h"
using pyapdraw::run_chunks;
std::atomic<long> cells{0};
void inner(void*, int64_t a, int64_t b) { cells += b - a; }
void outer(void*, int64_t a, int64_t b) {
  for (int64_t i = a; i < b; ++i) run_chunks(100, 7, 4, inner, nullptr);
}
void failing(void*, int64_t a, int64_t) { if (a == 30) throw std::runtime_error("chunk 30"); }
int main() {
  for (int round = 0; round < 200; ++round) {
    cells = 0;
    run_chunks(50, 3, 4, outer, nullptr);
    if (cells != 5000) return std::printf("nested: %ld", cells.load());
    try {
      run_chunks(60, 10, 3, failing, nullptr);
      return std::puts("no exception");
    } catch (const std::runtime_error&) {}
  }
  cells = 0;
  std::vector<std::thread> callers;
  for (int t = 0; t < 6; ++t)
    callers.emplace_back([] { for (int r = 0; r < 100; ++r) run_chunks(50, 5, 3, inner, nullptr); });
  for (auto& c : callers) c.join();
  if (cells != 6 * 100 * 50) return std::printf("callers: %ld", cells.load());
  return std::puts("fine") < 0;
}
"""


def test_nested_calls_and_exceptions_in_chunks(tmp_path):
    root = Path(__file__).resolve().parents[1]
    source = root / "csrc" / "core" / "threads.cpp"
    compiler = shutil.which("c++")
    if not source.is_file() or not compiler:
        pytest.skip("needs the source tree and a C++ compiler")
    (tmp_path / "nested.cpp").write_text(NESTED)
    program = tmp_path / "nested"
    include = [f"-I{root / 'csrc'}", f"-I{root / 'csrc' / 'include'}"]
    flags = ["-std=c++17", "-O1", "-pthread", *include]
    subprocess.run([compiler, *flags, "nested.cpp", str(source), "-o", str(program)], cwd=tmp_path, check=True)
    done = subprocess.run([str(program)], capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout.strip() == "fine" and done.returncode == 0


def child(queue):
    queue.put(distance_transform(line_drawing(120)).sum())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_has_a_pool_of_its_own():
    expected = distance_transform(line_drawing(120)).sum()  # the pool of the parent has threads now
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=child, args=(queue,))
    process.start()
    assert queue.get(timeout=60) == expected
    process.join(timeout=60)
    assert process.exitcode == 0
    assert distance_transform(line_drawing(120)).sum() == expected


def test_the_gil_is_released():
    image = np.stack([line_drawing(400)] * 8)
    ticks, done = 0, threading.Event()

    def count():
        nonlocal ticks
        while not done.is_set():
            ticks += 1

    counter = threading.Thread(target=count)
    counter.start()
    distance_transform_pair(image)
    inside = ticks
    done.set()
    counter.join()
    assert inside > 0


@pytest.mark.parametrize(("text", "expected"), [("3", 3), ("100000", 256), ("0", None), ("many", None)])
def test_environment_sets_the_number_of_threads(text, expected):
    code = "from pyapdraw import _C; print(_C.default_threads())"
    out = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYAPDRAW_THREADS": text},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert int(out) == (expected or cores)
