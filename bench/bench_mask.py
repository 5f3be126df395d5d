"""What is known of people before they are drawn: the mask of a picture of 1 MP, the points of a face, and the pen.

    python bench/bench_mask.py [--threads 1 2] [--seconds 1] [--json rows.json]

No peers: LiteRT, which runs the networks' published files, is not installed here.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import skimage.data
from record import Suite

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pyapdraw.faces.detector import Detector
from pyapdraw.faces.eyes import FacePoints, FindEyes
from pyapdraw.faces.masks import PersonMask
from pyapdraw.faces.points import Mesh, five_of
from pyapdraw.faces.selfie import Selfie
from pyapdraw.style.pen import draw_features


def main() -> int:
    suite = Suite("mask", __doc__)
    astronaut = np.ascontiguousarray(skimage.data.astronaut())
    picture = np.kron(astronaut, np.ones((2, 2, 1), np.uint8))
    landmarks = five_of(Detector().detect(astronaut)[0])
    expected, (points, _) = PersonMask(1)(picture), Mesh(1)(astronaut, landmarks)
    found = FacePoints(points[0].astype(np.float64), FindEyes(1)(astronaut, points[0]), 1.0)
    for threads in suite.threads:
        segment, network, mesh, eyes = PersonMask(threads), Selfie(threads), Mesh(threads), FindEyes(threads)

        def same(segment: PersonMask = segment) -> None:
            assert np.array_equal(segment(picture), expected), "the mask depends on the number of threads"

        suite.compare("mask, 1 MP", {"pyapdraw": lambda s=segment: s(picture)}, check=same, threads=threads,
                      pixels=1024 * 1024)  # fmt: skip
        suite.compare("its network", {"pyapdraw": lambda n=network: n(picture)}, threads=threads)
        suite.compare("468 points, first look and second", {"pyapdraw": lambda m=mesh: m(astronaut, landmarks)},
                      threads=threads)  # fmt: skip
        suite.compare("468 points, followed", {"pyapdraw": lambda m=mesh: m.follow(astronaut, points)},
                      threads=threads)  # fmt: skip
        suite.compare("both eyes", {"pyapdraw": lambda e=eyes: e(astronaut, points[0])}, threads=threads)
    page = np.full((512, 512), 255, np.uint8)
    person = np.full((512, 512), 255, np.uint8)
    suite.compare(
        "pen of a face, 512 px", {"pyapdraw": lambda: draw_features(page, astronaut, person, found)}, threads=1
    )
    return suite.finish()


if __name__ == "__main__":
    sys.exit(main())
