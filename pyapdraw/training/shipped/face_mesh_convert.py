"""Makes weights/face_mesh.safetensors from MediaPipe's face mesh: run once, the result is shipped.

    npm pack @mediapipe/face_mesh@0.4.1657299874
    pip install tflite
    python -m pyapdraw.training.shipped.face_mesh_convert mediapipe-face_mesh-0.4.1657299874.tgz

The package is read as an archive; the network is a part of its file of assets. Its weights are 16-bit; ours are the
same numbers in the layouts of the native operations.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from pyapdraw.errors import WeightsError
from pyapdraw.faces.face_mesh import TRUNK
from pyapdraw.training.shipped import tflite_file

MEMBER, PART = "package/face_mesh_solution_packed_assets.data", slice(2_495_952, 3_737_848)
SHA256 = "c603fa6149219a3e9487dc9abd7a0c24474c77263273d24868378cdf40aa26d1"  # of the part
BRANCHES = (  # behind the trunk, as the file has them in turns
    "points.down.depthwise", "points.down.pointwise", "points.block0.depthwise", "points.block0.pointwise",
    "score.down.depthwise", "points.block1.depthwise", "score.down.pointwise", "points.block1.pointwise",
    "score.narrow", "points.narrow", "score.block.depthwise", "points.block2.depthwise", "score.block.pointwise",
    "points.block2.pointwise", "score.out", "points.out",
)  # fmt: skip
SLOPES = ("points.down", "points.block0", "score.down", "points.block1", "score.narrow", "points.narrow",
          "score.block", "points.block2")  # fmt: skip


def convert(data: bytes) -> dict[str, np.ndarray]:
    """Tensors of ours, float16, of the bytes of the published file."""
    names = iter(["stem", *(f"{name}.{part}" for name in TRUNK for part in ("depthwise", "pointwise")), *BRANCHES])
    slopes = iter(["stem", *TRUNK, *SLOPES])
    tensors: dict[str, np.ndarray] = {}
    for kind, *parts in tflite_file.operators(data):
        if kind in ("conv", "depthwise"):
            name, (weight, bias) = next(names), parts
            tensors[f"{name}.weight"] = weight[0] if kind == "depthwise" else weight.transpose(1, 2, 3, 0)
            tensors[f"{name}.bias"] = bias
        elif kind == "prelu":
            tensors[f"{next(slopes)}.slope"] = parts[0].reshape(-1)
    if rest := [*names, *slopes]:
        raise WeightsError(f"the network ends before {', '.join(rest)}")
    return {name: np.ascontiguousarray(value, np.float16) for name, value in tensors.items()}


def main() -> None:
    """The command line."""
    from pyapdraw import weights

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("package", type=Path, help="mediapipe-face_mesh-0.4.1657299874.tgz")
    data = tflite_file.read_package(parser.parse_args().package, MEMBER, SHA256, PART)
    loaded = weights.Weights("face_mesh", "network", {}, convert(data))
    weights.write(weights.FOLDER / "face_mesh.safetensors", loaded, overwrite=True)
    weights.record("face_mesh")


if __name__ == "__main__":
    main()
