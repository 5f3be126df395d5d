"""Two records of one machine beside each other: which rows became slower or faster beyond their spread.

    python bench/compare.py OLD.json NEW.json [--threshold 1.1]

A row is flagged when the quartiles of old and new do not overlap and the medians differ by more than the threshold. The
peers' column is what happened to the same peers between the two runs: a machine that was busy slows them too, and then
the row proves nothing. Exit code 1 for a regression that the peers do not share, 2 for a file that is no record.
"""

import argparse
import statistics
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import report  # noqa: E402

from pyapdraw.bench import OURS  # noqa: E402
from pyapdraw.table import table  # noqa: E402

HEAD = ["suite", "case", "threads, cache", "old ms", "new ms", "new / old", "peers new / old", ""]


def key(row: dict[str, Any]) -> tuple[str, str, int, str]:
    return row["suite"], row["case"], row["threads"], row["cache"]


def flag(old: dict[str, Any], new: dict[str, Any], threshold: float) -> tuple[float, float | None, str]:
    """(new / old of ours, that of the peers or None, SLOWER, faster, "busy?" or nothing)."""
    ratio = new["median_ms"][OURS] / old["median_ms"][OURS]
    shared = [new["median_ms"][p] / ms for p, ms in old["median_ms"].items() if p != OURS and p in new["median_ms"]]
    peers = statistics.median(shared) if shared else None
    (old_low, old_high), (new_low, new_high) = old["quartiles_ms"][OURS], new["quartiles_ms"][OURS]
    if ratio > threshold and new_low > old_high:
        return ratio, peers, "busy?" if peers and ratio / peers <= threshold else "SLOWER"
    if ratio < 1 / threshold and new_high < old_low:
        return ratio, peers, "faster"
    return ratio, peers, ""


def compare(old: dict[str, Any], new: dict[str, Any], threshold: float) -> tuple[str, list[str]]:
    """(the table with what is in one record only, the regressions)."""
    before = {key(row): row for row in report.timed(old)}
    lines, slower, added = [HEAD], [], []
    for row in report.timed(new):
        if (was := before.pop(key(row), None)) is None:
            added.append(f"{row['suite']}, {row['case']}")
            continue
        ratio, peers, mark = flag(was, row, threshold)
        lines.append(
            [
                row["suite"],
                row["case"],
                f"{row['threads']}, {row['cache']}",
                f"{was['median_ms'][OURS]:.3g}",
                f"{row['median_ms'][OURS]:.3g}",
                f"{ratio:.2f}",
                f"{peers:.2f}" if peers else "",
                mark,
            ]
        )
        if mark == "SLOWER":
            slower.append(f"{row['suite']}, {row['case']}: {ratio:.2f} times the time")
    found = table(lines)
    for title, names in (("only in the old record", [f"{k[0]}, {k[1]}" for k in before]), ("new", added)):
        if names:
            found += f"\n{title}: " + "; ".join(names)
    return found, slower


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--threshold", type=float, default=1.1, help="ratio from which a row counts (1.1)")
    given = parser.parse_args()
    if given.threshold < 1:
        parser.error(f"--threshold: {given.threshold} given, at least 1 expected")
    try:
        old, new = report.load(given.old), report.load(given.new)
    except report.BadRecord as e:
        print(e, file=sys.stderr)
        return 2
    if old["machine"]["name"] != new["machine"]["name"]:
        print(f"note: two machines, {old['machine']['name']} and {new['machine']['name']}")
    found, slower = compare(old, new, given.threshold)
    print(found)
    for line in slower:
        print("slower:", line)
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
