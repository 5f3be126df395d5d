"""Measures this machine's peaks, runs the suites, prints one table in the order of the targets and keeps the record.

    python bench/run.py                                  every suite; bench/results/MACHINE.json is written anew
    python bench/run.py distance_transform ink           these alone; the other suites of the record stay
    python bench/run.py --quick --seconds 0.5            only what has a target, with shorter timing

Exit code 1 if an answer was wrong or a suite failed; a target that is not reached is published, not an error.
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import report  # noqa: E402

from pyapdraw import bench  # noqa: E402


def suites(wanted: list[str]) -> list[Path]:
    """The scripts, in the order of the targets; exits for a name that there is not."""
    found = {path.stem.removeprefix("bench_"): path for path in HERE.glob("bench_*.py")}
    unknown = sorted(set(wanted) - set(found))
    if unknown:
        sys.exit(f"no suite {', '.join(unknown)}; there are {', '.join(report.in_order(found))}")
    return [found[name] for name in report.in_order(wanted or found)]


def keeps_rows(script: Path) -> bool:
    """Whether a suite is built on record.py and so takes --json."""
    return "from record import" in script.read_text(encoding="utf-8")


def commit() -> str | None:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=HERE, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or None


def run_suite(script: Path, options: list[str]) -> tuple[int, dict[str, Any] | None]:
    """Exit code, and rows and wrong answers if the suite keeps any."""
    name = script.stem.removeprefix("bench_")
    print(f"\n== {name}", flush=True)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, str(script)]
    if not keeps_rows(script):
        return subprocess.run(command, cwd=HERE.parent, env=environment, check=False).returncode, None
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "rows.json"
        command += [*options, "--json", str(written)]
        code = subprocess.run(command, cwd=HERE.parent, env=environment, check=False).returncode
        if not written.is_file():
            return code or 1, None
        found = json.loads(written.read_text(encoding="utf-8"))
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    return code, {"date": today, "commit": commit(), "rows": found["rows"], "wrong": found["wrong"]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", help="distance_transform, ink, ... (default: all)")
    parser.add_argument("--threads", type=int, nargs="+", help="passed on to the suites")
    parser.add_argument("--seconds", type=float, help="of calls for a comparison, passed on to the suites")
    parser.add_argument("--turns", type=int, help="of each candidate, passed on to the suites")
    parser.add_argument("--quick", action="store_true", help="only the cases that something is asked of")
    parser.add_argument("--out", type=Path, default=HERE / "results", help="folder of the records")
    given = parser.parse_args()
    options = ["--quick"] if given.quick else []
    options += ["--seconds", str(given.seconds)] if given.seconds else []
    options += ["--turns", str(given.turns)] if given.turns else []
    options += ["--threads", *map(str, given.threads)] if given.threads else []

    scripts = suites(given.suites)  # before the peaks, which take a while
    here = bench.machine()
    path = given.out / f"{here['name']}.json"
    kept = report.load(path)["suites"] if path.is_file() and given.suites else {}
    counts = {1, 2, here["cores"], *(given.threads or [])}
    record = {
        "schema": bench.SCHEMA,
        "machine": here,
        "peaks": bench.peaks(sorted(counts), 2.0),
        "versions": bench.versions(),
        "suites": kept,
    }
    print(f"{here['cpu']}, {here['cores']} cores\n\n{report.peak_table(record)}", flush=True)
    failed = []
    for script in scripts:
        code, rows = run_suite(script, options)
        if rows is not None:
            record["suites"][script.stem.removeprefix("bench_")] = rows
            missing = {str(r["threads"]) for r in rows["rows"] if r["median_ms"]} - set(record["peaks"])
            record["peaks"] |= bench.peaks([int(n) for n in missing], 2.0)
            report.save(record, path)  # after each: an interrupted run keeps what it has
        if code:
            failed.append(script.stem)
    print("\n" + report.text(record))
    if failed:
        print("failed:", ", ".join(failed), file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
