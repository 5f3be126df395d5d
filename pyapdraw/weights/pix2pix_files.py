"""Files of published checkpoints, as Pix2Pix names them: `<epoch>_net_<name>.pth` for a network, `<epoch>_net_gen.pt`
and `<epoch>_net_dis.pt` for all of a part. Which files hold the networks that are asked for, and what is in them.

A run is a folder of such files; networks that several runs share lie in a folder `auxiliary*` beside the runs, or
inside one. `about` is the module of a system, such as `weights.apdrawing`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pyapdraw.errors import WeightsError
from pyapdraw.weights.checkpoint import load_pickle, text_key

FILE = re.compile(r"(?P<epoch>.+)_net_(?P<net>[A-Za-z0-9]+?)(?P<small>_small)?\.(pth|pt)")
TOGETHER = {"generator": "gen", "discriminators": "dis"}  # parts that the published code keeps in one file

Nets = dict[str, dict[str, Any]]


def networks(path: Path, about: Any, part: str | None) -> tuple[Nets, str]:
    """The networks in a file, or in the files of one epoch, and what to call them in messages. Raises WeightsError."""
    if os.path.isdir(path):
        return _folder(path, about, part)
    loaded = load_pickle(path)
    if not isinstance(loaded, Mapping) or not loaded:
        raise WeightsError(f"{path}: {type(loaded).__name__} given, a dictionary of tensors by name expected")
    if all(isinstance(state, Mapping) for state in loaded.values()):
        return {text_key(name): dict(state) for name, state in loaded.items()}, str(path)
    match = FILE.fullmatch(path.name)
    net = about.net_name(match["net"]) if match else None
    if match is None or net is None:
        known = ", ".join(name for nets in about.PARTS.values() for name in nets)
        raise WeightsError(f"{path}: one network's state given in a file that is not named EPOCH_net_NAME.pth, "
                           f"NAME one of {known}")  # fmt: skip
    part = next(p for p, nets in about.PARTS.items() if net in nets)
    siblings = _of_epoch(path.parent, about, part, match["epoch"])
    return {**{name: _one(file) for name, file in siblings.items() if name != net}, net: dict(loaded)}, str(path)


def elsewhere(path: Path, about: Any, names: list[str]) -> Nets:
    """Networks beside a checkpoint, or in the auxiliary folders in or beside its folder: those that are found."""
    if not names:
        return {}
    folder = path if os.path.isdir(path) else path.parent
    found: dict[str, Path] = {}
    for place in [folder, *_companions(folder, about)]:
        for _, net, file in sorted(listed(place), key=lambda entry: _rank(entry[0]), reverse=True):
            name = about.net_name(net)
            if name in names:
                found.setdefault(name, file)
    return {name: _one(file) for name, file in found.items()}


def around(path: Path) -> list[Path]:
    """A checkpoint's file and all that may be read with it: none of them may be an output."""
    folder = path if os.path.isdir(path) else path.parent
    places = [folder, *folder.glob("auxiliary*"), *folder.resolve().parent.glob("auxiliary*")]
    return [path, *(file for place in places if place.is_dir() for _, _, file in listed(place))]


def listed(folder: Path) -> Iterator[tuple[str, str, Path]]:
    """(epoch, name of the network, file) of all checkpoint files in a folder, by name. Raises WeightsError."""
    try:
        files = sorted(folder.iterdir())
    except OSError as error:
        raise WeightsError(f"{folder}: cannot read: {error.strerror}") from error
    for file in files:
        if match := FILE.fullmatch(file.name):
            yield match["epoch"], match["net"], file


def _folder(path: Path, about: Any, part: str | None) -> tuple[Nets, str]:
    """Of the part asked for, or the first that the folder holds; auxiliary networks also from a folder for them.

    Of the epoch "latest", or the highest.
    """
    for each in [part] if part else about.PARTS:
        for place in [path, *(_companions(path, about) if part == "auxiliary" else ())]:
            together, apart = TOGETHER.get(each), about.ELSEWHERE.get(each, ())
            epochs = [e for e, net, _ in listed(place) if net == together or _is_of(about, net, each, apart)]
            if not epochs:
                continue
            epoch = max(epochs, key=_rank)
            whole = place / f"{epoch}_net_{together}.pt"
            if whole.exists():
                return networks(whole, about, each)
            files = _of_epoch(place, about, each, epoch)
            return {name: _one(file) for name, file in files.items()}, f"{place} (epoch {epoch})"
    if not any(listed(path)):
        raise WeightsError(f"{path}: no file named EPOCH_net_*.pt or .pth, a folder of checkpoints expected")
    raise WeightsError(f"{path}: no files of {part or 'this system'} given, EPOCH_net_NAME of its networks expected")


def _is_of(about: Any, net: str, part: str, apart: tuple[str, ...]) -> bool:
    name = about.net_name(net)
    return name in about.PARTS[part] and name not in apart


def _rank(epoch: str) -> tuple[bool, int, str]:
    """Later epochs are larger; "latest" is the last."""
    return epoch == "latest", int(epoch) if epoch.isdecimal() else -1, epoch


def _of_epoch(folder: Path, about: Any, part: str, epoch: str) -> dict[str, Path]:
    """One file a network, those that exist."""
    found: dict[str, Path] = {}
    for at, net, file in listed(folder):
        if at == epoch and (name := about.net_name(net)) in about.PARTS[part]:
            found.setdefault(name, file)
    return found


def _companions(folder: Path, about: Any) -> list[Path]:
    """Folders for auxiliary networks inside a run, then beside it; the one that the system's authors name first."""
    found = []
    for around in (folder, folder.resolve().parent):
        places = [place for place in around.glob("auxiliary*") if place.is_dir()]
        found += sorted(places, key=lambda place: (place.name != about.ELSEWHERE_FOLDER, place.name))
    return found


def _one(path: Path) -> dict[str, Any]:
    loaded = load_pickle(path)
    if not isinstance(loaded, Mapping):
        raise WeightsError(f"{path}: {type(loaded).__name__} given, a dictionary of tensors by name expected")
    return dict(loaded)
