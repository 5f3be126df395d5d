"""Person mask of one 512 crop: whole call, network alone, and the convolutions one by one; medians in milliseconds.

python bench/bench_mask.py [--repeats 50]
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from pyapdraw.mask import SIZE_PX, PersonMask


def median_ms(function, repeats: int) -> float:
    function()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        function()
        times.append(time.perf_counter() - began)
    return 1e3 * float(np.median(times))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=50)
    repeats = parser.parse_args().repeats
    pixels = np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    segments = {threads: PersonMask(threads) for threads in (1, 2)}
    assert (segments[1](pixels) == segments[2](pixels)).all()
    for threads, segment in segments.items():
        whole = median_ms(lambda: segment(pixels), repeats)  # noqa: B023
        network = median_ms(lambda: segment.logits(pixels), repeats)  # noqa: B023
        print(f"{threads} threads: call {whole:.2f} ms, network {network:.2f} ms")
    for name, ms, mmac in layers(segments[1], repeats):
        print(f"  {name:10s} {ms:6.3f} ms  {mmac:5.1f} MMAC  {mmac / ms:5.1f} GMAC/s on one thread")


def layers(segment: PersonMask, repeats: int) -> list[tuple[str, float, float]]:
    """Name, milliseconds and millions of multiplications of every convolution, inputs taken from a call before."""
    calls = []
    conv = segment._conv

    def noted(name, x, out, stride=1):
        calls.append((name, x, out, stride))
        conv(name, x, out, stride)

    segment._conv = noted  # type: ignore[method-assign]
    segment.logits(np.zeros((SIZE_PX, SIZE_PX, 3), np.uint8))
    segment._conv = conv  # type: ignore[method-assign]
    rows = []
    for name, x, out, stride in calls:
        mmac = out.size * segment._layers[name][0][..., 0].size / 1e6
        rows.append((name, median_ms(lambda: conv(name, x, out, stride), repeats), mmac))  # noqa: B023
    return rows


if __name__ == "__main__":
    main()
