"""Every kernel of a call, by name: how often it runs, its mean time, grid, block and registers.

    python bench/gpu/kernels.py [--only network] [--json FILE] [--dry]

torch.profiler (CUPTI) watches one replay of a captured graph of: the 1080p frame, the config f network, one layer of
each kind, and the distance transform of 1 and of 16 images. The profiler delays launches, so the times are of the
kernels alone; what lies between them is the graph's time of the other benchmarks less their sum.
"""

import json
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from measure import Suite, captured

from pyapdraw.table import table

LAYERS = {  # inputs, outputs, side of the input, up, batch
    "layer 512 -> 512, 64²": (512, 512, 64, 1, 1),
    "layer 32 -> 32, 1024²": (32, 32, 1024, 1, 1),
    "layer up 512 -> 512, 64²": (512, 512, 32, 2, 1),
    "layer up 64 -> 32, 1024²": (64, 32, 512, 2, 1),
    "layer 512 -> 512, 4²": (512, 512, 4, 1, 1),
    "layer 512 -> 512, 64², x 16": (512, 512, 64, 1, 16),
}
KINDS = {"kernel", "gpu_memcpy", "gpu_memset"}  # what the profiler calls the nodes of a graph


def kernels_of(trace: dict[str, Any]) -> list[dict[str, Any]]:
    """The kernels of a trace in Chrome's format, those that ask the most time first."""
    times = defaultdict(list)
    for event in trace["traceEvents"]:
        if event.get("ph") == "X" and event.get("cat") in KINDS:
            how = event.get("args", {})
            grid, block = tuple(how.get("grid", ())), tuple(how.get("block", ()))
            times[event["name"], grid, block, how.get("registers per thread")].append(float(event["dur"]))
    found = [
        {"kernel": name, "count": len(of_one), "mean_us": round(sum(of_one) / len(of_one), 3),
         "grid": list(grid), "block": list(block), "registers": registers}
        for (name, grid, block, registers), of_one in times.items()
    ]  # fmt: skip
    return sorted(found, key=lambda k: -k["count"] * k["mean_us"])


def profiled(run: Callable[[int], Any], suite: Suite) -> list[dict[str, Any]]:
    """Of one replay; in a dry run, where there is no GPU to profile, of one call."""
    activity = torch.profiler.ProfilerActivity
    replay = (lambda: run(0)) if suite.dry else captured(run, [0])[0].replay
    replay()
    with torch.profiler.profile(activities=[activity.CPU if suite.dry else activity.CUDA]) as seen:
        replay()
        if not suite.dry:
            torch.cuda.synchronize()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        seen.export_chrome_trace(str(path))
        return kernels_of(json.loads(path.read_text(encoding="utf-8")))


def cases(suite: Suite) -> Iterator[tuple[str, Callable[[], Callable[[int], Any]]]]:
    """Names, each with what prepares the case and gives the call."""
    import distance_transform as edt
    import frame
    import modulated_conv2d as modulated
    import network

    from pyapdraw import ops

    def transform(count: int) -> Callable[[int], Any]:
        sites = edt.images(suite.small(count, 2), suite.small(512, 48), 1, suite.device)
        out = torch.empty(sites[0].shape, dtype=torch.float32, device=suite.device)
        return lambda i: ops.distance_transform(sites[0], out=out)

    def layer(inputs: int, outputs: int, side: int, up: int, batch: int) -> Callable[[int], Any]:
        return modulated.Layer(suite, inputs, outputs, side, up, batch, torch.bfloat16).ours

    for count in (1, 16):
        yield f"distance_transform {count} x 512²", lambda c=count: transform(c)
    for name, of_layer in LAYERS.items():
        yield name, lambda o=of_layer: layer(*o)
    yield "1080p frame", lambda: frame.Ours(frame.Scene(suite), suite).run
    yield "config f network", lambda: network.ours(suite)


def main() -> int:
    suite = Suite("kernels", __doc__)
    with torch.inference_mode():
        for case, prepare in cases(suite):
            if not suite.wants(case):
                continue
            try:
                suite.keep(case, [{"case": case, **row} for row in profiled(prepare(), suite)])
            except Exception as error:  # the others' tables still count
                suite.failed(case, error)
    lines = [["case", "kernel", "count", "mean us", "grid", "block", "registers"]]
    lines += [[str(row[k])[:70] for k in ("case", "kernel", "count", "mean_us", "grid", "block", "registers")]
              for row in suite.rows]  # fmt: skip
    print(table(lines), flush=True)
    return 1 if suite.wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
