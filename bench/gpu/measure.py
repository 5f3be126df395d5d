"""Comparisons on a GPU: answers first, then device time in CUDA graphs, time in a stream, and time from call to result.

    suite = Suite("fuse_regions", __doc__)              # --json --only --seconds --dry
    sets = suite.sets(bytes_of_one)                     # so many inputs lie past the L2 together
    suite.compare("x 1", {OURS: Candidate(run), "torch": Candidate(peer)}, sets=sets, check=..., moved_bytes=...,
                  asked={"graph, cold": Asked({"torch": 20}, {})})

A candidate is a function of the number of its input set. Modes, each a row of its own:

    graph, cold       device time a call, in a captured graph that goes through all sets: inputs come from memory
    graph, resident   the same on one set: inputs of this size stay in the L2
    stream            events around calls made one after the other through all sets: launches included
    call              host clock from call to finished result

A row holds every candidate that the mode applies to, in turns, as median and quartiles in ms. `floor_ms` is the larger
of bytes over the measured copy bandwidth and operations over the measured matrix rate, both of this run. A limit in
microseconds is a peer named "limit 10 us". With --dry everything runs once on the CPU, on small inputs, and every
verdict is "dry": it shows that the scripts work, nothing else.
"""

import argparse
import json
import statistics
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1]), str(HERE.parents[1] / "tests")]

from record import OURS, Row  # noqa: E402

from pyapdraw.table import table  # noqa: E402

__all__ = ["OURS", "Asked", "Candidate", "Suite", "limit", "relative_error"]

MODES = ("graph, cold", "graph, resident", "stream", "call")
DRY_CEILINGS = {"copy_gbs": 10.0, "matmul_bf16_tflops": 0.1}
TURNS, CALLS = 5, 20  # of each candidate; in one measurement, at least


@dataclass
class Candidate:
    """modes: those that it can be measured in; a peer that cannot be captured leaves the graphs out."""

    run: Callable[[int], Any]
    modes: tuple[str, ...] = MODES


@dataclass
class Asked:
    """What ours must and should reach in one mode: peer -> least ratio."""

    must: dict[str, float] = field(default_factory=dict)
    aim: dict[str, float] = field(default_factory=dict)


def limit(must_us: float, aim_us: float | None = None) -> Asked:
    """A time that a call may take."""
    name = f"limit {must_us:g} us"
    return Asked({name: 1.0}, {} if aim_us is None else {name: must_us / aim_us})


def relative_error(mine: torch.Tensor, exact: torch.Tensor) -> float:
    """|mine - exact| / |exact|; infinite for NaN."""
    error = float((mine.double() - exact.double()).norm() / exact.double().norm())
    return error if error == error else float("inf")


class Suite:
    """The rows of one script."""

    def __init__(self, name: str, about: str | None = None):
        parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument(
            "--json", type=Path, help="write the rows there; cases that it already holds are not repeated"
        )
        parser.add_argument("--only", default="", help="only the cases whose name contains this")
        parser.add_argument("--seconds", type=float, default=1.0, help="of calls for each row")
        parser.add_argument("--dry", action="store_true", help="once, on the CPU, on small inputs")
        parser.add_argument("--ceilings", type=Path, help="a file with measured ceilings; measured anew otherwise")
        given = parser.parse_args()
        if not given.dry and not torch.cuda.is_available():
            sys.exit("no CUDA device: --dry runs on the CPU")
        self.name, self.dry, self.only, self.seconds = name, given.dry, given.only, given.seconds
        self.device = torch.device("cpu" if given.dry else "cuda")
        self.rows: list[dict[str, Any]] = []
        self.finished: list[str] = []  # cases
        self.wrong: list[str] = []
        self.absent: dict[str, str] = {}
        self._json = given.json
        if given.json and given.json.is_file():
            self._go_on(json.loads(given.json.read_text()))
        kept = given.ceilings.read_text() if given.ceilings and given.ceilings.is_file() else None
        self.ceilings = json.loads(kept) if kept else DRY_CEILINGS if given.dry else ceilings(self.device)
        if given.ceilings and not kept:
            given.ceilings.write_text(json.dumps(self.ceilings))
        bandwidth, rate = self.ceilings["copy_gbs"], self.ceilings["matmul_bf16_tflops"]
        print(f"{self.name}: copy {bandwidth:.0f} GB/s, bf16 matrix product {rate:.0f} TFLOP/s", flush=True)

    def _go_on(self, kept: dict[str, Any]) -> None:
        """Takes over the rows of an earlier run that was cut off, of whole cases."""
        if kept["dry"] == self.dry:
            self.rows = [row for row in kept["rows"] if row["case"] in kept["finished"]]
            self.finished = list(kept["finished"])

    def sets(self, bytes_of_one: float, most: int = 256) -> int:
        """How many input sets are needed so that none is in the L2 when its turn comes again."""
        if self.dry:
            return 2
        l2 = torch.cuda.get_device_properties(self.device).L2_cache_size
        return int(min(most, max(2, -(-3 * l2 // max(bytes_of_one, 1)))))

    def small(self, size: int, dry: int) -> int:
        return dry if self.dry else size

    def left_out(self, peer: str, reason: str) -> None:
        """A peer that cannot be measured here."""
        if self.absent.setdefault(peer, reason) is reason:
            print(f"{self.name}: {peer} left out: {reason}", flush=True)

    def wants(self, case: str) -> bool:
        return self.only in case and case not in self.finished

    def compare(
        self,
        case: str,
        candidates: dict[str, Candidate],
        *,
        sets: int = 2,
        check: Callable[[], None] | None = None,
        modes: tuple[str, ...] = ("graph, cold", "stream"),
        asked: dict[str, Asked] | None = None,
        moved_bytes: float = 0,
        flop: float = 0,
        floor_ms: float | None = None,
        pixels: int = 0,
    ) -> None:
        """Checks the answers (check raises AssertionError), then times all candidates in each mode."""
        if not self.wants(case):
            return
        try:
            if check is not None:
                check()
        except Exception as error:  # a peer or ours may fail in any way: the others' cases still count
            self.failed(case, error)
            return
        if floor_ms is None:
            floor_ms = self.floor_ms(moved_bytes, flop)
        for mode in modes:
            goal = (asked or {}).get(mode, Asked())
            row = Row(self.name, case, 0, mode, must=goal.must, aim=goal.aim, pixels=pixels, flop=flop)
            row.moved_bytes = moved_bytes
            try:
                self._time(row, {n: c for n, c in candidates.items() if mode in c.modes}, sets)
            except Exception as error:
                self.failed(f"{case}, {mode}", error)
                continue
            self._keep(row, floor_ms)
        if not any(line.startswith(case) for line in self.wrong):
            self.finished.append(case)
        self._write()

    def keep(self, case: str, rows: list[dict[str, Any]]) -> None:
        """Rows of a finished case that were measured in another way."""
        self.rows += rows
        self.finished.append(case)
        self._write()

    def floor_ms(self, moved_bytes: float, flop: float) -> float:
        """The least time for so much, at the ceilings of this run."""
        bytes_ms = moved_bytes / self.ceilings["copy_gbs"] / 1e6
        return max(bytes_ms, flop / self.ceilings["matmul_bf16_tflops"] / 1e9)

    def failed(self, case: str, error: Exception) -> None:
        if not isinstance(error, AssertionError):
            traceback.print_exception(error)
        self.wrong.append(f"{case}: {type(error).__name__}: {error}"[:2000])
        print(f"{self.name}, {case}: WRONG: {self.wrong[-1]}", flush=True)
        self._write()

    def _time(self, row: Row, candidates: dict[str, Candidate], sets: int) -> None:
        timers = {name: self._timer(name, c, row.cache, sets) for name, c in candidates.items()}
        times: dict[str, list[float]] = {name: [] for name in timers}
        turns = 1 if self.dry else TURNS
        share = self.seconds / max(len(timers), 1) / turns
        for _ in range(turns):
            for name, timer in timers.items():
                end = time.perf_counter() + share
                while True:
                    times[name].append(timer())
                    if self.dry or time.perf_counter() > end or len(times[name]) >= 2000:
                        break
        for name, values in times.items():
            low, middle, high = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
            row.median_ms[name], row.quartiles_ms[name] = middle, (low, high)
        for name in {**row.must, **row.aim}:
            if name.startswith("limit "):
                row.median_ms[name] = float(name.split()[1]) / 1e3
        if OURS in row.median_ms:
            row.ratio = {n: ms / row.median_ms[OURS] for n, ms in row.median_ms.items() if n != OURS}

    def _timer(self, name: str, candidate: Candidate, mode: str, sets: int) -> Callable[[], float]:
        """A function that measures once: ms a call."""
        run = candidate.run
        order = [0] * CALLS if mode == "graph, resident" else [i % sets for i in range(max(sets, CALLS))]
        order = order[:2] if self.dry else order
        for i in order[: min(len(order), sets)]:
            run(i)
        if self.dry:
            return lambda: host_ms(lambda: run(0), torch.device("cpu"))
        torch.cuda.synchronize()
        if mode == "call":
            return lambda: host_ms(lambda: run(0), self.device)
        if mode == "stream":

            def calls() -> None:
                for i in order:
                    run(i)

            return lambda: event_ms(calls) / len(order)
        graph, outputs = captured(run, order)
        event_ms(graph.replay)
        if name == OURS:
            same(outputs[0], run(order[0]), f"{name} in a graph")
        return lambda: event_ms(graph.replay) / len(order)

    def _keep(self, row: Row, floor_ms: float) -> None:
        ours = row.median_ms.get(OURS)
        kept = asdict(row) | {"floor_ms": floor_ms, "percent_of_limit": 100 * floor_ms / ours if ours else None}
        kept["verdict"] = verdict(row, self.absent) if not self.dry else "dry"
        self.rows.append(kept)
        print("  " + " | ".join(text(kept)), flush=True)
        self._write()

    def _write(self) -> None:
        if self._json:
            kept = {"suite": self.name, "dry": self.dry, "ceilings": self.ceilings, "rows": self.rows}
            kept |= {"finished": self.finished, "wrong": self.wrong, "absent": self.absent}
            unfinished = self._json.with_suffix(".part")
            unfinished.write_text(json.dumps(kept, indent=1))
            unfinished.replace(self._json)

    def finish(self) -> int:
        """Prints the table, writes the JSON, and gives the exit code: 1 when an answer was wrong."""
        print(table([HEAD, *(text(row) for row in self.rows)]), flush=True)
        for line in self.wrong:
            print("wrong:", line)
        self._write()
        return 1 if self.wrong else 0


HEAD = ["case", "mode", "ours us (quartiles)", "% of limit", "peers: us = ratio", "must", "aim", "verdict"]


def text(row: dict[str, Any]) -> list[str]:
    """A row of the printed table."""
    asked = ["; ".join(f"{n} {v:.3g}x" for n, v in row[goal].items()) for goal in ("must", "aim")]
    peers = "; ".join(f"{n} {1e3 * row['median_ms'][n]:.4g} = {r:.2f}x" for n, r in row["ratio"].items())
    ours = ""
    if OURS in row["median_ms"]:
        low, high = (1e3 * q for q in row["quartiles_ms"][OURS])
        ours = f"{1e3 * row['median_ms'][OURS]:.4g} ({low:.4g} to {high:.4g})"
    percent = f"{row['percent_of_limit']:.0f}" if row["percent_of_limit"] else ""
    return [row["case"], row["cache"], ours, percent, peers, *asked, row["verdict"]]


def verdict(row: Row, absent: dict[str, str]) -> str:
    """As of bench/record.py, but a peer that could not be measured here leaves the question open."""
    if any(peer not in row.ratio for peer in row.must):
        return "NOT MEASURED"
    return row.verdict


def host_ms(run: Callable[[], Any], device: torch.device) -> float:
    start = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - start) * 1e3


def event_ms(run: Callable[[], Any]) -> float:
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    run()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end)


def captured(run: Callable[[int], Any], order: list[int]) -> tuple[Any, list[Any]]:
    """A graph of the calls. Their outputs are kept, so that each has memory of its own."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for i in order[:3]:
            run(i)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = [run(i) for i in order]
    return graph, outputs


def same(first: Any, second: Any, what: str) -> None:
    """Both answers, tensors or lists of them, are the same but for the order of float32 sums."""
    ones, others = ([t] if isinstance(t, torch.Tensor) else list(t) for t in (first, second))
    for one, other in zip(ones, others, strict=True):
        a, b = one.double(), other.double()
        assert torch.allclose(a, b, rtol=1e-2, atol=1e-3 * float(b[b.isfinite()].abs().max())), f"{what}: other values"


def ceilings(device: torch.device, numbers: int = 1 << 29, side: int = 8192) -> dict[str, float]:
    """Copy bandwidth of 2 GiB, read and written bytes counted, and the rate of a bf16 matrix product of random data."""
    source = torch.randn(numbers, device=device)
    copy = torch.empty_like(source)
    copy_ms = median_ms(partial(copy.copy_, source))
    a, b = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    product_ms = median_ms(partial(torch.matmul, a, b))
    return {"copy_gbs": 8 * numbers / copy_ms / 1e6, "matmul_bf16_tflops": 2 * side**3 / product_ms / 1e9}


def median_ms(run: Callable[[], Any], times: int = 20) -> float:
    for _ in range(3):
        run()
    return statistics.median(event_ms(run) for _ in range(times))
