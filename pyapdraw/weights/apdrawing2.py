"""Published checkpoints of APDrawingGAN++: which networks a file holds, and which configuration fits them.

`<epoch>_net_gen.pt` and `_dis.pt` as for APDrawingGAN. Classifiers and auto-encoders, without which nothing is drawn,
are files `latest_net_<name>.pth` in a folder `auxiliary*` beside the checkpoint's own, or inside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pyapdraw.weights import apdrawing, layouts
from pyapdraw.weights.layouts import Slot, under

LOCALS = {"GLEyel": "eyel", "GLEyer": "eyer", "GLNose": "nose", "GLMouth": "mouth"}
REFINERS = {
    "AEel": "refine.eyel",
    "AEer": "refine.eyer",
    "AE": "refine.nose",
    "AEmowhite": "refine.mouth_white",
    "AEmoblack": "refine.mouth_black",
}
PARTS: dict[str, dict[str, str]] = {
    "generator": {**apdrawing.PARTS["generator"], "CLm": "mouth_style", "CLh": "hair_style", **REFINERS},
    "discriminators": apdrawing.PARTS["discriminators"],
    "auxiliary": {**apdrawing.PARTS["auxiliary"], "Regressor": "continuity"},
}
# Networks of a part that lie in other files than the rest: part -> names.
ELSEWHERE = {"generator": ("CLm", "CLh", *REFINERS)}
ELSEWHERE_FOLDER = "auxiliaryeye2o"


def config(part: str, shapes: apdrawing.Shapes) -> dict[str, Any]:
    """The configuration that the shapes of a part imply. Raises KeyError where tensors are missing."""
    if part != "generator":
        return apdrawing.config(part, shapes)
    ngf = shapes["G"]["model.1.weight"][0]
    levels = {name: sum(len(s) == 4 for s in shapes[name].values()) - 1 for name in ("CLm", "CLh")}
    # The classifier's features: ngf * 2 ** levels channels of side / 2 ** (levels + 1) px, squared.
    pixels = shapes["CLh"]["fc1.weight"][1] * 2 ** (levels["CLh"] + 2) // ngf
    return {
        "ngf": ngf,
        "whole_blocks": _blocks(shapes["G"]),
        "local_blocks": _blocks(shapes["GLEyel"]),
        "frame_blocks": _blocks(shapes["GLBG"]),
        "side": math.isqrt(pixels),
        "mouth_levels": levels["CLm"],
        "hair_levels": levels["CLh"],
        "nose_latent": shapes["AE"]["fc1.weight"][0],
        "eye_latent": shapes["AEel"]["fc1.weight"][0],
        "mouth_latent": shapes["AEmowhite"]["fc1.weight"][0],
    }


def _blocks(shapes: Mapping[str, tuple[int, ...]]) -> int:
    return sum(name.endswith(".conv_block.1.weight") for name in shapes)


def slots(part: str, config: Mapping[str, Any]) -> dict[str, list[Slot]]:
    """All tensors of a part, by the published names of its networks."""
    if part == "discriminators":
        return apdrawing.slots(part, config)
    if part == "auxiliary":
        return {
            **apdrawing.slots(part, config),
            "Regressor": under("continuity", layouts.continuity(config["ngf"])),
        }
    ngf, side = config["ngf"], config["side"]
    found = {name: layouts.resnet(ngf, config["local_blocks"]) for name in LOCALS}
    found["G"] = layouts.resnet(ngf, config["whole_blocks"])
    found["GLHair"] = layouts.resnet(ngf, config["frame_blocks"], styles=3)
    found["GLBG"] = layouts.resnet(ngf, config["frame_blocks"])
    found["GCombine"] = layouts.fusion(ngf)
    eye, nose, mouth = (_cells(size, side) for size in ((80, 112), (96, 96), (112, 128)))
    for name, classes, cells in (("CLm", 2, mouth * 256), ("CLh", 3, side * side)):
        levels = config["mouth_levels" if name == "CLm" else "hair_levels"]
        found[name] = layouts.classifier(ngf, levels, ngf * cells >> (levels + 2), classes)
    kinds = {"AEel": (eye, "eye"), "AEer": (eye, "eye"), "AE": (nose, "nose")}
    kinds |= {"AEmowhite": (mouth, "mouth"), "AEmoblack": (mouth, "mouth")}
    for name, (cells, what) in kinds.items():
        found[name] = layouts.auto_encoder(ngf, 8 * ngf * cells, config[f"{what}_latent"])
    return {name: under(ours, found[name]) for name, ours in PARTS[part].items()}


def _cells(size: tuple[int, int], side: int) -> int:
    """Cells of 16 x 16 px in a rectangle: models.regions.region_sizes with a multiple of 16."""
    height, width = (max(1, math.floor(length * side / 512 / 16 + 0.5)) for length in size)
    return height * width


def net_name(in_file_name: str) -> str | None:
    """The network that a file `<epoch>_net_<name>.pth` is of; None for none of this system.

    The regressor's name carries the number of its architecture, of which only the published default is known.
    """
    if in_file_name == "Regressor4":
        return "Regressor"
    return in_file_name if any(in_file_name in nets for nets in PARTS.values() if in_file_name != "Regressor") else None


def file_name(net: str) -> str:
    """The <name> of a network's own file."""
    return "Regressor4" if net == "Regressor" else net
