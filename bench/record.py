"""One comparison = one row: ours beside its peers in the same run, answers checked first, written down as JSON.

    suite = Suite("distance_transform", __doc__)          # reads --threads, --seconds, --json, --quick
    suite.compare("line 512", {"pyapdraw": run, "OpenCV precise": peer}, check=same_answer,
                  must={"OpenCV precise": 4}, aim={"OpenCV precise": 8}, pixels=512 * 512, moved_bytes=5 * 512 * 512)
    raise SystemExit(suite.finish())                      # the table; exit code 1 only when an answer was wrong

Candidates run in turns of several calls with a pause before each turn, because the worker threads of torch, OpenCV and
OpenMP spin for up to 200 ms after their last call and slow whoever comes next. The figure is the median over all turns;
the spread is the quartiles. A ratio is peer / ours: above 1 we are faster.
"""

import argparse
import json
import os
import statistics
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pyapdraw.table import table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pyapdraw import bench

OURS = "pyapdraw"


@dataclass
class Row:
    """What is kept of one comparison. ratio, must, aim: by peer. limit: the most ours may take relative to a peer, as
    must, is written as 1 / limit. pixels, flop, moved_bytes: of one call, for rates; 0 = not meaningful."""

    suite: str
    case: str
    threads: int
    cache: str
    median_ms: dict[str, float] = field(default_factory=dict)
    quartiles_ms: dict[str, tuple[float, float]] = field(default_factory=dict)
    ratio: dict[str, float] = field(default_factory=dict)
    must: dict[str, float] = field(default_factory=dict)
    aim: dict[str, float] = field(default_factory=dict)
    pixels: int = 0
    flop: float = 0
    moved_bytes: float = 0

    @property
    def verdict(self) -> str:
        """pass, aim (the aim is reached as well), FELL SHORT, or nothing where nothing is asked."""
        if not self.must:
            return ""
        if any(self.ratio.get(peer, 0) < least for peer, least in self.must.items()):
            return "FELL SHORT"
        return "aim" if self.aim and all(self.ratio.get(p, 0) >= a for p, a in self.aim.items()) else "pass"


class Suite:
    """The rows of one bench_*.py."""

    def __init__(self, name: str, about: str | None = None):
        parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--threads", type=int, nargs="+", default=[min(2, os.cpu_count() or 1)])
        parser.add_argument("--seconds", type=float, default=1.0, help="of calls for each comparison")
        parser.add_argument("--turns", type=int, default=bench.TURNS, help="of each candidate, several calls in each")
        parser.add_argument("--json", type=Path, help="write the rows there")
        parser.add_argument("--only", default="", help="only the cases whose name contains this")
        parser.add_argument("--quick", action="store_true", help="only the cases that something is asked of")
        given = parser.parse_args()
        self.turns = given.turns
        self.name, self.threads, self.seconds, self.quick = name, given.threads, given.seconds, given.quick
        self.only = given.only
        self._json, self.rows, self.wrong = given.json, [], []

    def compare(
        self,
        case: str,
        candidates: dict[str, Callable[[], object]],
        *,
        check: Callable[[], None] | None = None,
        threads: int = 2,
        cache: str = "warm",
        must: dict[str, float] | None = None,
        aim: dict[str, float] | None = None,
        **work: float,
    ) -> Row | None:
        """Checks the answers (check raises AssertionError), times all candidates, prints and keeps the row."""
        if (self.quick and not must) or self.only not in case:
            return None
        try:
            if check is not None:
                check()
        except AssertionError as error:
            self.wrong.append(f"{case}: {error}")
            print(f"{self.name}, {case}: WRONG ANSWER, not timed: {error}", flush=True)
            return None
        times = bench.measure(candidates, self.seconds, self.turns)
        row = Row(self.name, case, threads, cache, must=must or {}, aim=aim or {}, **work)
        for name, values in times.items():
            low, middle, high = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
            row.median_ms[name], row.quartiles_ms[name] = middle, (low, high)
        row.ratio = {n: ms / row.median_ms[OURS] for n, ms in row.median_ms.items() if n != OURS}
        self.rows.append(row)
        return row

    def summary(self, case: str, ratio: dict[str, float], *, must: dict | None = None, aim: dict | None = None) -> None:
        """A row that is drawn from others, such as a geometric mean: ratios without times."""
        self.rows.append(Row(self.name, case, 0, "", ratio=ratio, must=must or {}, aim=aim or {}))

    def finish(self) -> int:
        """Prints the table, writes the JSON, and gives the exit code."""
        print(table([HEAD, *(text(row) for row in self.rows)]), flush=True)
        for line in self.wrong:
            print("wrong answer:", line)
        if self._json:
            rows = [asdict(row) | {"verdict": row.verdict} for row in self.rows]
            self._json.write_text(json.dumps({"suite": self.name, "rows": rows, "wrong": self.wrong}, indent=1))
        return 1 if self.wrong else 0


HEAD = ["case", "threads", "cache", "ours ms (quartiles)", "rates", "peers: ms = ratio", "must", "aim", "verdict"]


def text(row: Row) -> list[str]:
    """A row of the printed table."""
    asked = ["; ".join(f"{n} {v:.3g}x" for n, v in goal.items()) for goal in (row.must, row.aim)]
    if not row.median_ms:
        peers = "; ".join(f"{n} {r:.2f}x" for n, r in row.ratio.items())
        return [row.case, "", "", "", "", peers, *asked, row.verdict]
    low, high = row.quartiles_ms[OURS]
    ours_s = row.median_ms[OURS] / 1e3
    rates = []
    if row.pixels:
        rates.append(f"{ours_s * 1e9 / row.pixels:.3g} ns/px")
    if row.flop:
        rates.append(f"{row.flop / ours_s / 1e9:.0f} GFLOP/s")
    if row.moved_bytes:
        rates.append(f"{row.moved_bytes / ours_s / 1e9:.1f} GB/s")
    peers = "; ".join(f"{n} {row.median_ms[n]:.3g} = {r:.2f}x" for n, r in row.ratio.items())
    ours = f"{row.median_ms[OURS]:.3g} ({low:.3g} to {high:.3g})"
    return [f"{row.case}", str(row.threads), row.cache, ours, ", ".join(rates), peers, *asked, row.verdict]
