"""`pyapdraw bench`: the native operations of this machine, checked, timed, and held against its measured peaks.

A small set that needs nothing but the package; the suites of the source tree (bench/) are larger. The method is the
same: answers first, candidates in turns with a pause before each, because the threads of torch and OpenCV spin for a
while after their last call, the median of all turns with its quartiles, equal threads.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
import re
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pyapdraw import _C
from pyapdraw.bench.cases import CASES, Case
from pyapdraw.errors import BadInput

SCHEMA = 1
OURS = "pyapdraw"
TURNS, SETTLE_S = 5, 0.3
PACKAGES = ("numpy", "scipy", "opencv-python-headless", "torch", "edt", "scikit-image", "pillow", "av")


def cpu_model() -> str:
    """The processor's name as the system gives it."""
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    except OSError:
        found = None
    return " ".join(found[1].split()) if found else (platform.processor() or platform.machine())


def slug(text: str) -> str:
    """Lower case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _first_line(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return None


def cache_bytes() -> dict[str, int]:
    """Sizes of the data caches by level, where the system tells them."""
    sizes = {}
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = (_first_line(str(index / name)) for name in ("level", "type", "size"))
        if level and size and size.endswith("K") and kind != "Instruction":
            sizes[level] = int(size[:-1]) << 10
    return sizes


def machine() -> dict[str, Any]:
    """What the figures belong to: processor, cores, instruction set, system; no names of hosts, users or folders."""
    model, cores = cpu_model(), _C.default_threads()
    isa = _C.cpu_backends()[0]
    return {
        "name": f"{slug(model)}-{cores}-cores",
        "cpu": model,
        "cores": cores,
        "isa": isa,
        "cache_bytes": cache_bytes(),
        "system": f"{platform.system()} {platform.machine()}",
        "governor": _first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    """Of this package and of what it is compared with, as far as they are installed."""
    found = {"pyapdraw": _C.__version__}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def peaks(threads: Sequence[int], seconds: float = 1.0) -> dict[str, dict[str, Any]]:
    """The measured peaks by number of threads (as text, for JSON)."""
    return {str(n): _C.machine_peaks(n, seconds) for n in sorted(set(threads))}


def roof(row: dict[str, Any], peak: dict[str, Any], caches: dict[str, int]) -> list[tuple[str, float, float]]:
    """(unit, reached, peak) of a row's rates: GFLOP/s against the multiply-add peak (of bf16 where the case's name says
    so), GB/s against the copy of the cache level that its bytes fit in."""
    seconds = row["median_ms"][OURS] / 1e3
    found = []
    if row["flop"]:
        low = "bf16" in row["case"] and peak["dot_bf16_gflops"]
        found.append(("GFLOP/s", row["flop"] / seconds / 1e9, peak["dot_bf16_gflops" if low else "fma_f32_gflops"]))
    if row["moved_bytes"]:
        level = "dram_streaming"
        for name, shared in (("3", 1), ("2", row["threads"]), ("1", row["threads"])):
            if row["cache"] != "cold" and row["moved_bytes"] <= caches.get(name, 0) * shared / (
                2 if name == "3" else 1
            ):
                level = f"l{name}"
        found.append(("GB/s", row["moved_bytes"] / seconds / 1e9, peak[f"copy_{level}_gbs"]))
    return found


def measure(candidates: dict[str, Callable[[], object]], seconds: float, turns: int = TURNS) -> dict[str, list[float]]:
    """ms of every call; about `seconds` of calls for all together, in turns; alone, a candidate needs no pause."""
    times: dict[str, list[float]] = {name: [] for name in candidates}
    share = seconds / len(candidates) / turns
    for _ in range(turns):
        for name, run in candidates.items():
            if len(candidates) > 1:
                time.sleep(SETTLE_S)
            run()
            end = time.perf_counter() + share
            while True:
                start = time.perf_counter()
                run()
                now = time.perf_counter()
                times[name].append((now - start) * 1e3)
                if now > end:
                    break
    return times


def row_of(case: Case, threads: int, seconds: float, with_peers: bool) -> dict[str, Any]:
    """Checks, times and describes one case. AssertionError: a wrong answer, of ours or of a peer."""
    case.check()
    candidates = {OURS: case.run, **(case.peers if with_peers else {})}
    times = measure(candidates, seconds)
    medians, quartiles = {}, {}
    for name, values in times.items():
        low, middle, high = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
        medians[name], quartiles[name] = middle, (low, high)
    return {
        "suite": "native", "case": case.title, "threads": threads, "cache": "warm",
        "median_ms": medians, "quartiles_ms": quartiles,
        "ratio": {n: ms / medians[OURS] for n, ms in medians.items() if n != OURS},
        "must": {}, "aim": {}, "pixels": case.pixels, "flop": case.flop, "moved_bytes": case.moved_bytes, "verdict": "",
    }  # fmt: skip


def line_of(row: dict[str, Any], peak: dict[str, Any], caches: dict[str, int]) -> str:
    """A row as it is printed."""
    ours, (low, high) = row["median_ms"][OURS], row["quartiles_ms"][OURS]
    text = f"{row['case']:34} {ours:8.3f} ms ({low:.3f} to {high:.3f})"
    if row["pixels"]:
        text += f"  {ours * 1e6 / row['pixels']:7.3f} ns/px"
    for unit, reached, most in roof(row, peak, caches):
        text += f"  {reached:6.1f} {unit} ({100 * reached / most:.0f} % of {most:.0f})"
    for name, ratio in row["ratio"].items():
        text += f"  {name} {row['median_ms'][name]:.3f} ms = {ratio:.2f}x"
    return text


def chosen(names: Sequence[str]) -> list[str]:
    """The operations asked for, or all; BadInput for one that there is not."""
    unknown = sorted(set(names) - set(CASES))
    if unknown:
        raise BadInput(f"OP: {', '.join(unknown)} given, some of {', '.join(CASES)} expected")
    return [n for n in CASES if n in names] if names else list(CASES)


def bench(
    names: Sequence[str] = (),
    *,
    threads: int = 0,
    seconds: float = 0.3,
    with_peers: bool = True,
    tell: Callable[[str], object] = print,
) -> dict[str, Any]:
    """Measures the peaks, then the operations.

    Args:
        names: operations, see CASES; none: all.
        threads: of ours and of the peers; 0: the process default.
        seconds: of calls for an operation, with its peers.
        with_peers: also time OpenCV, SciPy and torch where they are installed.
        tell: gets every line as soon as it is known.

    Returns:
        What `--json` writes: schema, machine, peaks, versions, and the suite "native" with its rows and wrong answers.

    Raises:
        BadInput: an operation that there is not, a number of threads or seconds out of range.
    """
    wanted = chosen(names)
    if not 0 < seconds <= 3600:
        raise BadInput(f"seconds: {seconds} given, above 0, at most 3600 expected")
    if not 0 <= threads <= 256:
        raise BadInput(f"threads: {threads} given, 0 to 256 expected")
    threads = threads or _C.default_threads()
    here = machine()
    tell(f"{here['cpu']}, {here['cores']} cores, {here['isa']}, {threads} thread{'s' * (threads > 1)}")
    peak = peaks([threads], min(1.0, 3 * seconds))
    one = peak[str(threads)]
    tell("peaks: " + ", ".join(f"{name} {value:.0f}" for name, value in one.items() if isinstance(value, float)))
    rows, wrong = [], []
    for name in wanted:
        for case in CASES[name](threads):
            try:
                rows.append(row_of(case, threads, seconds, with_peers))
            except AssertionError as e:
                wrong.append(f"{case.title}: {e}")
                tell(f"{case.title:34} WRONG ANSWER, not timed: {e}")
            else:
                tell(line_of(rows[-1], one, here["cache_bytes"]))
    now = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    suite = {"date": now, "commit": None, "rows": rows, "wrong": wrong}
    return {"schema": SCHEMA, "machine": here, "peaks": peak, "versions": versions(), "suites": {"native": suite}}
