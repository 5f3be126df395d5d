"""facenet-pytorch's MTCNN, the peer that ours agrees with, without its torchvision.

pip install --no-deps --target build/peers facenet-pytorch==2.6.0
"""

import importlib
import sys
import types
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parents[1] / "build" / "peers"


def folder():
    """Where the package lies, or None."""
    for place in [FOLDER, *map(Path, sys.path)]:
        if (place / "facenet_pytorch" / "models" / "mtcnn.py").is_file():
            return place / "facenet_pytorch"
    return None


def load():
    """The MTCNN class, or None where the package is not installed."""
    place = folder()
    if place is None:
        return None
    package = types.ModuleType("facenet_pytorch")  # its __init__ imports more than the detector
    package.__path__ = [str(place)]
    names = ["torchvision", "torchvision.transforms", "torchvision.transforms.functional", "torchvision.ops"]
    modules = {name: types.ModuleType(name) for name in [*names, "torchvision.ops.boxes"]}
    modules["torchvision.transforms"].functional = modules["torchvision.transforms.functional"]
    modules["torchvision.ops.boxes"].batched_nms = _batched_nms
    before = dict(sys.modules)
    sys.modules.update(modules, facenet_pytorch=package)
    try:
        return importlib.import_module("facenet_pytorch.models.mtcnn").MTCNN
    finally:
        for name in modules:
            if name in before:
                sys.modules[name] = before[name]
            else:
                del sys.modules[name]


def _batched_nms(boxes, scores, images, threshold):
    """Suppression by intersection over union for one image, written from its definition."""
    import torch

    order = torch.argsort(scores, descending=True, stable=True)
    b = boxes[order].numpy()
    area = (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])
    alive, keep = np.ones(len(b), bool), []
    for i in np.arange(len(b)):
        if alive[i]:
            keep.append(i)
            w = np.minimum(b[i, 2], b[:, 2]) - np.maximum(b[i, 0], b[:, 0])
            h = np.minimum(b[i, 3], b[:, 3]) - np.maximum(b[i, 1], b[:, 1])
            both = np.clip(w, 0, None) * np.clip(h, 0, None)
            alive &= ~(both / (area[i] + area - both) > threshold)
    return order[torch.as_tensor(np.array(keep, np.int64))]
