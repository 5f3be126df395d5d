"""The record of a machine's figures: what bench/run.py writes, and its tables.

    python bench/report.py bench/results/MACHINE.json            the tables, as Markdown
    python bench/report.py bench/results/MACHINE.json --readme   puts them between the marks of bench/README.md

A record is {schema, machine, peaks by threads, versions, suites: {name: {date, commit, rows, wrong}}}; a row is that of
bench/record.py with its verdict.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from pyapdraw.bench import OURS, SCHEMA, roof  # noqa: E402
from pyapdraw.table import table  # noqa: E402

# The order of the targets; other suites follow by name.
ORDER = [
    "distance_transform",
    "fuse_regions",
    "modulated_conv2d",
    "bias_act",
    "upfirdn2d",
    "conv_to_one",
    "instance_norm",
    "frame",
    "yuv",
    "warp_affine",
    "flow_dog",
    "ink",
    "faces",
    "mask",
    "video",
]
ROW = {
    "suite": str,
    "case": str,
    "threads": int,
    "cache": str,
    "median_ms": dict,
    "quartiles_ms": dict,
    "ratio": dict,
    "must": dict,
    "aim": dict,
    "pixels": (int, float),
    "flop": (int, float),
    "moved_bytes": (int, float),
    "verdict": str,
}
MARKS = "<!-- figures -->", "<!-- end of figures -->"


class BadRecord(ValueError):
    """A file that is no record, with its name and what is wrong."""


def check_row(row: Any, where: str) -> None:
    if not isinstance(row, dict):
        raise BadRecord(f"{where}: {type(row).__name__} given, a row expected")
    for key, kind in ROW.items():
        if not isinstance(row.get(key), kind):
            raise BadRecord(f"{where}: '{key}' is {row.get(key, 'missing')!r}")
    if row["median_ms"] and OURS not in row["median_ms"]:  # a mean over other rows has ratios and no times
        raise BadRecord(f"{where}: no time of {OURS}")
    numbers = [*row["median_ms"].values(), *row["ratio"].values(), *row["must"].values(), *row["aim"].values()]
    if not all(isinstance(n, int | float) and n > 0 for n in numbers):
        raise BadRecord(f"{where}: times, ratios and goals must be positive numbers")


def check_record(record: Any, where: str) -> None:
    """Raises BadRecord unless every part is there and of its kind."""
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        raise BadRecord(f"{where}: no record of schema {SCHEMA}")
    for key in ("machine", "peaks", "versions", "suites"):
        if not isinstance(record.get(key), dict):
            raise BadRecord(f"{where}: '{key}' is missing")
    for name, suite in record["suites"].items():
        if not isinstance(suite, dict) or not isinstance(suite.get("rows"), list):
            raise BadRecord(f"{where}: suite '{name}' has no rows")
        for i, row in enumerate(suite["rows"]):
            check_row(row, f"{where}: suite '{name}', row {i}")
            if row["median_ms"] and str(row["threads"]) not in record["peaks"]:
                raise BadRecord(f"{where}: suite '{name}', row {i}: no peaks for {row['threads']} threads")


def load(path: Path) -> dict[str, Any]:
    """The record of a file; BadRecord for a file that is none."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as e:
        raise BadRecord(f"{path}: {e.strerror}") from e
    except ValueError as e:
        raise BadRecord(f"{path}: no JSON ({e})") from e
    check_record(record, str(path))
    return record


def save(record: dict[str, Any], path: Path) -> None:
    check_record(record, str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def in_order(names: Any) -> list[str]:
    return sorted(names, key=lambda n: (ORDER.index(n) if n in ORDER else len(ORDER), n))


def rows(record: dict[str, Any]) -> list[dict[str, Any]]:
    """All rows, in the order of the targets."""
    return [row for name in in_order(record["suites"]) for row in record["suites"][name]["rows"]]


def timed(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Without the means over other rows."""
    return [row for row in rows(record) if row["median_ms"]]


def short(goals: dict[str, float]) -> str:
    return "; ".join(f"{peer} {least:.3g}x" for peer, least in goals.items())


def row_text(row: dict[str, Any], record: dict[str, Any]) -> list[str]:
    asked = [short(row["must"]), short(row["aim"]), row["verdict"]]
    if not row["median_ms"]:
        return [
            row["suite"],
            row["case"],
            "",
            "",
            "",
            "; ".join(f"{n} {r:.2f}x" for n, r in row["ratio"].items()),
            *asked,
        ]
    ours = row["median_ms"][OURS]
    low, high = row["quartiles_ms"][OURS]
    rates = [f"{ours * 1e6 / row['pixels']:.3g} ns/px"] if row["pixels"] else []
    for unit, reached, most in roof(row, record["peaks"][str(row["threads"])], record["machine"]["cache_bytes"]):
        rates.append(f"{reached:.3g} {unit} ({100 * reached / most:.0f} %)")
    peers = "; ".join(f"{n} {row['median_ms'][n]:.3g} = {r:.2f}x" for n, r in row["ratio"].items())
    where = f"{row['threads']}, {row['cache']}"
    times = f"{ours:.3g} ({low:.3g} to {high:.3g})"
    return [row["suite"], row["case"], where, times, ", ".join(rates), peers, *asked]


HEAD = [
    "suite",
    "case",
    "threads, cache",
    "ours ms (quartiles)",
    "rates (of the peak)",
    "peers ms = ratio",
    "must",
    "aim",
    "verdict",
]


def peak_table(record: dict[str, Any]) -> str:
    names = {
        "fma_f32_gflops": "fp32 multiply-add",
        "dot_bf16_gflops": "bf16 dot product",
        "copy_l1_gbs": "copy in L1",
        "copy_l2_gbs": "copy in L2",
        "copy_l3_gbs": "copy in L3",
        "copy_dram_gbs": "copy in DRAM",
        "copy_dram_streaming_gbs": "the same, stores past the caches",
    }
    threads = sorted(record["peaks"], key=int)
    lines = [["measured peak", *(f"{n} thread{'s' * (n != '1')}" for n in threads)]]
    for key, name in names.items():
        unit = "GFLOP/s" if key.endswith("gflops") else "GB/s"
        lines.append([name, *(f"{record['peaks'][n][key]:.0f} {unit}" for n in threads)])
    return table(lines)


def text(record: dict[str, Any]) -> str:
    """Machine, peaks and every row, then what fell short and what was wrong."""
    here, packages = record["machine"], ", ".join(f"{k} {v}" for k, v in record["versions"].items())
    found = [
        f"{here['cpu']}, {here['cores']} cores, {here['isa']}, {here['system']}, Python {here['python']}; {packages}."
    ]
    found.append(peak_table(record))
    all_rows = rows(record)
    found.append(table([HEAD, *(row_text(r, record) for r in all_rows)]))
    short_rows = [f"{r['suite']}, {r['case']}" for r in all_rows if r["verdict"] == "FELL SHORT"]
    asked = sum(bool(r["verdict"]) for r in all_rows)
    aims = sum(r["verdict"] == "aim" for r in all_rows)
    found.append(
        f"{asked} comparisons with a target: {asked - len(short_rows)} reach it, {aims} of them the aim too; "
        f"{len(short_rows)} fell short{': ' if short_rows else ''}{'; '.join(short_rows)}."
    )
    wrong = [f"{name}: {line}" for name, suite in record["suites"].items() for line in suite.get("wrong", [])]
    if wrong:
        found.append("Wrong answers, not timed: " + "; ".join(wrong) + ".")
    dates = sorted({suite["date"] for suite in record["suites"].values()})
    found.append("Measured " + (dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}") + ".")
    return "\n\n".join(found)


def into_readme(figures: str, readme: Path) -> None:
    """Replaces what stands between the marks."""
    before, mark, rest = readme.read_text(encoding="utf-8").partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not mark or not end:
        raise BadRecord(f"{readme}: the marks {MARKS[0]} and {MARKS[1]} are missing")
    readme.write_text(f"{before}{mark}\n{figures}\n{end}{after}", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", type=Path)
    parser.add_argument("--readme", action="store_true", help="write the tables into bench/README.md")
    given = parser.parse_args()
    try:
        figures = text(load(given.record))
        if given.readme:
            into_readme(figures, HERE / "README.md")
    except BadRecord as e:
        print(e, file=sys.stderr)
        return 2
    if not given.readme:
        print(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
