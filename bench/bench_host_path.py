"""What a call of an operation costs on the host beside its kernel: torch tensors of a few pixels, no gradient.

    python bench/bench_host_path.py [--repeats 400]

"call" is the operation as a program calls it, "native" its function of _C with the arguments that this call makes, and
the overhead the difference: checks, the new output, the way past torch's dispatcher. Calls and native calls take turns
on one thread, in rounds of 200, in processor time of that thread; "least" is of the fastest rounds, "median" of the
median ones. A machine that does other work as well slows both.
"""

import argparse
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from time import thread_time

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from cases_valid_calls import VALID

from pyapdraw import ops
from pyapdraw.table import table

OPERATIONS = ("fuse_regions", "bias_act", "modulated_conv2d", "upfirdn2d", "conv_to_one", "distance_transform")
MOST_US = 8
CALLS = 200  # few enough that some rounds run undisturbed


def both(op: str) -> tuple[Callable[[], object], Callable[[], object]]:
    """The small valid call of an operation with torch tensors, and the native call that it makes."""
    import torch

    valid = VALID[op]()
    tensors = {name: torch.from_numpy(a.copy()) for name, a in valid.arrays.items()}
    named = {name: t for name, t in tensors.items() if "[" not in name}
    parts = [t for name, t in tensors.items() if "[" in name]
    given = {**({"parts": parts} if parts else {}), **named, **valid.options}
    public = getattr(ops, op)
    made = []
    module = sys.modules[f"pyapdraw.ops.{op}"]
    through = module.call
    module.call = lambda native, *args, like: (made.append((native, args)), through(native, *args, like=like))
    try:
        public(**given)
    finally:
        module.call = through
    ((native, args),) = made
    return lambda: public(**given), lambda: native(*args)


def microseconds(step: Callable[[], object]) -> float:
    rounds = range(CALLS)
    start = thread_time()
    for _ in rounds:
        step()
    return (thread_time() - start) / CALLS * 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=400, help="rounds of each")
    repeats = parser.parse_args().repeats
    try:
        import torch
    except ImportError:
        print("the calls are with torch tensors, and torch is not installed")
        return 0
    torch.set_num_threads(1)
    rows = [["us", "call", "native", "overhead, least", "overhead, median", f"at most {MOST_US}"]]
    for op in OPERATIONS:
        call, native = both(op)
        times = [(microseconds(call), microseconds(native)) for _ in range(repeats + 1)][1:]
        least, middle = (tuple(map(of, zip(*times))) for of in (min, statistics.median))
        short = least[0] - least[1]
        verdict = "pass" if short <= MOST_US else "FELL SHORT"
        rows.append([op, f"{least[0]:.1f}", f"{least[1]:.1f}", f"{short:.1f}", f"{middle[0] - middle[1]:.1f}", verdict])
    print(table(rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
