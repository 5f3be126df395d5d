"""Published checkpoints of APDrawingGAN: which networks a file holds, and which configuration fits them.

Files: `<epoch>_net_gen.pt` and `<epoch>_net_dis.pt` hold a state by network name; otherwise every network has a file
`<epoch>_net_<name>.pth` of its own, as the auxiliary ones always have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyapdraw.weights import layouts
from pyapdraw.weights.layouts import Slot, under

# part -> published name of a network -> ours
PARTS: dict[str, dict[str, str]] = {
    "generator": {
        "G": "whole",
        "GLEyel": "eyel",
        "GLEyer": "eyer",
        "GLNose": "nose",
        "GLMouth": "mouth",
        "GLHair": "hair",
        "GLBG": "background",
        "GCombine": "fusion",
    },
    "discriminators": {
        "D": "whole",
        "DLEyel": "eyel",
        "DLEyer": "eyer",
        "DLNose": "nose",
        "DLMouth": "mouth",
        "DLHair": "hair",
        "DLBG": "background",
    },
    "auxiliary": {"DT1": "to_ink", "DT2": "to_paper", "Line1": "ink_lines", "Line2": "paper_lines"},
}

ELSEWHERE: dict[str, tuple[str, ...]] = {}  # networks of a part that lie in other files than the rest: none
ELSEWHERE_FOLDER = "auxiliary"

Shapes = Mapping[str, Mapping[str, tuple[int, ...]]]  # network -> tensor -> shape


def config(part: str, shapes: Shapes) -> dict[str, Any]:
    """The configuration that the first network of a part speaks for. Raises KeyError where its tensors are missing."""
    first = shapes[next(iter(PARTS[part]))]
    if part == "discriminators":
        layers = sum(len(s) == 4 for s in first.values()) - 2
        return {"ndf": first["model.0.weight"][0], "layers": layers}
    levels = 1
    while f"{layouts.unet_level(levels)}1.weight" in first:
        levels += 1
    return {"ngf": first["model.model.0.weight"][0], "levels": levels}


def slots(part: str, config: Mapping[str, Any]) -> dict[str, list[Slot]]:
    """All tensors of a part, by the published names of its networks."""
    names = PARTS[part]
    if part == "discriminators":
        return {n: under(o, layouts.patch_discriminator(4, config["ndf"], config["layers"])) for n, o in names.items()}
    ngf = config["ngf"]
    widths = [ngf * min(2**i, 8) for i in range(config["levels"])]
    if part == "auxiliary":
        return {n: under(o, layouts.unet(1, widths)) for n, o in names.items()}
    found = {"G": layouts.unet(3, widths), "GCombine": layouts.fusion(ngf)}
    for name in ("GLEyel", "GLEyer", "GLNose", "GLMouth"):
        found[name] = layouts.unet(3, [ngf, 2 * ngf, 4 * ngf])
    for name in ("GLHair", "GLBG"):
        found[name] = layouts.unet(3, [ngf, 2 * ngf, 2 * ngf, 2 * ngf])
    return {n: under(o, found[n]) for n, o in names.items()}


def net_name(in_file_name: str) -> str | None:
    """The network that a file `<epoch>_net_<name>.pth` is of; None for none of this system."""
    return in_file_name if any(in_file_name in names for names in PARTS.values()) else None


def file_name(net: str) -> str:
    """The <name> of a network's own file."""
    return net
