"""Makes weights/selfie.safetensors from MediaPipe's selfie segmentation: run once, the result is shipped.

    npm pack @mediapipe/selfie_segmentation@0.1.1675465747
    pip install tflite
    python -m pyapdraw.training.shipped.selfie_convert mediapipe-selfie_segmentation-0.1.1675465747.tgz

The package is read as an archive. Its weights are 16-bit; ours are the same numbers in the layouts of the native
operations. The last layer, a transposed convolution of 2 x 2 with stride 2 from 16 channels to one, becomes one of
1 x 1 to the four pixels (upper left, upper right, lower left, lower right).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from pyapdraw.faces.selfie import layer_names
from pyapdraw.training.shipped import tflite_file

MEMBER = "package/selfie_segmentation.tflite"
SHA256 = "8d13b7fae74af625c641226813616a2117bd6bca19eb3b75574621fc08557f27"


def convert(data: bytes) -> dict[str, np.ndarray]:
    """Tensors of ours, "layer.weight" and "layer.bias", float16, of the bytes of the published file."""
    tensors: dict[str, np.ndarray] = {}
    found = tflite_file.convolutions(data)
    for name, (kind, weight, bias) in zip(layer_names(), found, strict=True):
        if kind == "depthwise":
            weight = weight[0]  # [1,kh,kw,C]
        elif kind == "conv":
            weight = weight.transpose(1, 2, 3, 0)  # [O,kh,kw,I]
        else:
            weight, bias = weight.reshape(4, -1).T[None, None], np.repeat(bias, 4)  # [1,2,2,I]
        tensors[f"{name}.weight"], tensors[f"{name}.bias"] = (
            np.ascontiguousarray(t, np.float16) for t in (weight, bias)
        )
    return tensors


def main() -> None:
    """The command line."""
    from pyapdraw import weights

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("package", type=Path, help="mediapipe-selfie_segmentation-0.1.1675465747.tgz")
    data = tflite_file.read_package(parser.parse_args().package, MEMBER, SHA256)
    loaded = weights.Weights("selfie", "network", {}, convert(data))
    weights.write(weights.FOLDER / "selfie.safetensors", loaded, overwrite=True)
    weights.record("selfie")


if __name__ == "__main__":
    main()
