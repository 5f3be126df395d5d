"""Makes weights/mtcnn.safetensors from the published MTCNN weights: run once, the result is shipped.

    pip download --no-deps facenet-pytorch==2.6.0
    python -m pyapdraw.training.shipped.mtcnn_convert facenet_pytorch-2.6.0-py3-none-any.whl

The wheel is read as an archive and never imported. Its tensors are torch state dicts; ours are in the layout of
the native convolution: weight [kh,kw,I,O], bias [O], slope [O]. The first dense layer of R-net and O-net sees
features flattened as W,H,C there and as a window [H,W,C] here. The sibling output layers of a net become one
layer ("heads"): the two class outputs as their difference, since softmax of two classes is the logistic function of
it, then the box, then the points.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np

from pyapdraw.errors import WeightsError

# sha256 of the three files in facenet-pytorch 2.6.0.
SOURCES = {
    "pnet": "a2a71925e0b9996a42f63e47efc1ca19043e69558b5c523b978d611dfae49c8f",
    "rnet": "bbb937de72efc9ef83b186c49f5f558467a1d7e3453a8ece0d71a886633f6a86",
    "onet": "165bfbe42940416ccfb977545cf0e976d5bf321f67083ae2aaaa5c764280118d",
}
CONVOLUTIONS = {"pnet": 3, "rnet": 3, "onet": 4}
DENSE = {"rnet": ("dense4", "prelu4", 3), "onet": ("dense5", "prelu5", 3)}  # name, its PReLU, side of its input
HEADS = {"pnet": ("conv4_1", "conv4_2"), "rnet": ("dense5_1", "dense5_2"), "onet": ("dense6_1", "dense6_2", "dense6_3")}


def convert(net: str, state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """State dict of one published net (numpy) -> tensors of ours, names "net.layer.kind"."""
    out = {}
    for i in range(1, CONVOLUTIONS[net] + 1):
        out[f"{net}.conv{i}.weight"] = state[f"conv{i}.weight"].transpose(2, 3, 1, 0)
        out[f"{net}.conv{i}.bias"] = state[f"conv{i}.bias"]
        out[f"{net}.conv{i}.slope"] = state[f"prelu{i}.weight"]
    if net in DENSE:
        name, prelu, side = DENSE[net]
        weight = state[f"{name}.weight"]
        by_window = weight.reshape(len(weight), side, side, -1)  # [O,W,H,C]
        out[f"{net}.dense.weight"] = by_window.transpose(2, 1, 3, 0)
        out[f"{net}.dense.bias"] = state[f"{name}.bias"]
        out[f"{net}.dense.slope"] = state[f"{prelu}.weight"]
    classes, *rest = (state[f"{name}.weight"].reshape(len(state[f"{name}.bias"]), -1) for name in HEADS[net])
    class_bias, *rest_bias = (state[f"{name}.bias"] for name in HEADS[net])
    weight = np.concatenate([classes[1:] - classes[:1], *rest])
    out[f"{net}.heads.weight"] = weight.T[None, None]
    out[f"{net}.heads.bias"] = np.concatenate([class_bias[1:] - class_bias[:1], *rest_bias])
    out[f"{net}.heads.slope"] = np.ones(len(weight), np.float32)
    return {key: np.ascontiguousarray(value, dtype=np.float32) for key, value in out.items()}


def read_wheel(path: Path) -> dict[str, np.ndarray]:
    """All tensors of the three nets, checked against the recorded sha256. Raises WeightsError."""
    import torch

    tensors: dict[str, np.ndarray] = {}
    with zipfile.ZipFile(path) as wheel:
        for net, expected in SOURCES.items():
            data = wheel.read(f"facenet_pytorch/data/{net}.pt")
            found = hashlib.sha256(data).hexdigest()
            if found != expected:
                raise WeightsError(f"{path}: {net}.pt has sha256 {found}, expected {expected}")
            state = torch.load(io.BytesIO(data), weights_only=True)
            tensors |= convert(net, {key: value.numpy() for key, value in state.items()})
    return tensors


def main() -> None:
    """The command line."""
    from pyapdraw import weights

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path, help="facenet_pytorch-2.6.0-py3-none-any.whl")
    loaded = weights.Weights("mtcnn", "detector", {}, read_wheel(parser.parse_args().wheel))
    weights.write(weights.FOLDER / "mtcnn.safetensors", loaded, overwrite=True)
    weights.record("mtcnn")


if __name__ == "__main__":
    main()
