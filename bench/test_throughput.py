"""Throughput of the CPU kernels, on one thread and on all cores, under pytest-benchmark; the answer is checked first.

    pytest bench/                                        a table
    pytest bench/ -k resize --benchmark-autosave         kept under .benchmarks/
    pytest bench/ --benchmark-compare --benchmark-compare-fail=median:20%     against the last kept run

The cases are those of `pyapdraw bench`. Comparisons with other packages, whose threads go on spinning after a call, are
timed in turns by the suites beside this file (README.md).
"""

from collections.abc import Iterator

import pytest

from pyapdraw import _C, bench


def cases() -> Iterator[object]:
    for threads in sorted({1, _C.default_threads()}):
        for op, of_op in bench.CASES.items():
            for case in of_op(threads):
                yield pytest.param(op, case, id=f"{case.title}, {threads} thread{'s' * (threads > 1)}")


@pytest.mark.parametrize(("op", "case"), cases())
def test_throughput(benchmark, op, case):
    case.check()
    benchmark.group = op
    benchmark(case.run)
    if benchmark.stats:  # nothing is timed under --benchmark-disable
        seconds = benchmark.stats.stats.median
        rates = {"MP/s": case.pixels / 1e6, "GFLOP/s": case.flop / 1e9, "GB/s": case.moved_bytes / 1e9}
        benchmark.extra_info |= {unit: round(work / seconds, 3) for unit, work in rates.items() if work}
