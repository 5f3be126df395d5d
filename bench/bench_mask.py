"""Person mask of one 512 px crop: the whole call, and the network layer by layer with its share of the peak.

    python bench/bench_mask.py [--threads 1 2] [--seconds 1] [--json rows.json]

No peer: no person segmentation of the same weights is installed elsewhere. The layers run on one thread.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from record import Suite

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pyapdraw.faces.masks import SIZE_PX, PersonMask


def main() -> int:
    suite = Suite("mask", __doc__)
    pixels = np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    alone = PersonMask(1)
    expected, names = alone(pixels), list(layers(alone))
    total = sum(flop for _, _, flop in names)
    for threads in suite.threads:
        segment = PersonMask(threads)

        def same(segment: PersonMask = segment) -> None:
            assert np.array_equal(segment(pixels), expected), "the mask depends on the number of threads"

        whole = {"pyapdraw": lambda s=segment: s(pixels)}
        suite.compare("512 px crop", whole, check=same, threads=threads, pixels=512 * 512, flop=total)
        network = {"pyapdraw": lambda s=segment: s.logits(pixels)}
        suite.compare("its network", network, threads=threads, flop=total)
    for name, run, flop in names:
        suite.compare(f"layer {name}", {"pyapdraw": run}, threads=1, flop=flop)
    return suite.finish()


def layers(segment: PersonMask):
    """Name, call and flop of every convolution, inputs taken from a call before."""
    calls = []
    conv = segment._conv

    def noted(name, x, out, *, stride=1):
        calls.append((name, x, out, stride))
        conv(name, x, out, stride=stride)

    segment._conv = noted  # type: ignore[method-assign]
    segment.logits(np.zeros((SIZE_PX, SIZE_PX, 3), np.uint8))
    segment._conv = conv  # type: ignore[method-assign]
    for name, x, out, stride in calls:
        flop = 2.0 * out.size * segment._layers[name][0][..., 0].size
        yield name, lambda n=name, x=x, o=out, s=stride: conv(n, x, o, stride=s), flop


if __name__ == "__main__":
    sys.exit(main())
