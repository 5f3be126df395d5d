"""Timing of candidates side by side, interleaved in one process, so that ratios hold where times drift.

The figure is the lower quartile: other programs on the machine only ever add time.
"""

import statistics
import time
from collections.abc import Callable


def interleaved(candidates: dict[str, Callable[[], object]], seconds: float = 1.0, most: int = 200) -> dict[str, float]:
    """Milliseconds of each candidate (lower quartile); spends `seconds` on all together, at least three rounds."""
    for run in candidates.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in candidates}
    end = time.perf_counter() + seconds
    rounds = 0
    while rounds < 3 or (time.perf_counter() < end and rounds < most):
        for name, run in candidates.items():
            start = time.perf_counter()
            run()
            times[name].append((time.perf_counter() - start) * 1e3)
        rounds += 1
    return {name: statistics.quantiles(t, n=4)[0] for name, t in times.items()}


def table(rows: list[list[str]]) -> str:
    """Rows of text as a Markdown table; the first row is the head."""
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(r, widths)) + " |" for r in rows]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines)
