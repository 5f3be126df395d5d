"""Runs every bench/bench_*.py in turn: speed beside peers and the quality tables. See bench/README.md."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def main() -> int:
    """Runs the suites named on the command line, or all; exit code 1 if any failed."""
    here = Path(__file__).parent
    wanted = sys.argv[1:]
    failed = []
    for script in sorted(here.glob("bench_*.py")):
        if wanted and script.stem.removeprefix("bench_") not in wanted:
            continue
        print(f"\n== {script.stem}", flush=True)
        if subprocess.run([sys.executable, str(script)], cwd=here.parent, check=False).returncode:
            failed.append(script.stem)
    if failed:
        print("failed:", ", ".join(failed), file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
