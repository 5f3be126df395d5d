"""Published checkpoints into state dicts of pyapdraw.models, and back. Where their files lie: `pix2pix_files`."""

from __future__ import annotations

import importlib
import io
import os
import re
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pyapdraw.errors import BadInput, WeightsError
from pyapdraw.files import atomic_write, check_output, names_folder, write_failed
from pyapdraw.need import need
from pyapdraw.weights import pix2pix_files as files_of
from pyapdraw.weights import store
from pyapdraw.weights.checkpoint import text_key
from pyapdraw.weights.layouts import Slot, without_shift
from pyapdraw.weights.pix2pix_files import Nets

SYSTEMS = ("apdrawing", "apdrawing2")
SHOWN = 4  # faults that one message names


class Checkpoint(NamedTuple):
    """A published checkpoint under our names. config: what its shapes say; state: torch tensors on the CPU."""

    system: str
    part: str
    config: dict[str, Any]
    state: dict[str, Any]

    @property
    def weights(self) -> store.Weights:
        """The same as weights of ours."""
        tensors = {name: value.numpy() for name, value in self.state.items()}
        return store.Weights(self.system, self.part, self.config, tensors)


def import_checkpoint(path: str | Path, system: str, *, part: str | None = None) -> dict[str, Any]:
    """State dict of ours from a published checkpoint; `read_checkpoint` gives the configuration that fits it as well.

    path: `*_net_gen.pt`, `*_net_dis.pt`, one `*_net_<name>.pth` beside the others of its part and epoch, or a folder of
    such files (then of the epoch "latest", or the highest). Containers of any torch version, "module." prefixes, files
    without num_batches_tracked, and residual blocks with or without dropout are accepted, of any width.
    system: one of SYSTEMS. part: "generator", "discriminators" or "auxiliary", which is also looked for in folders
    `auxiliary*` inside or beside the one given; None: what the file holds, and the first of these in a folder.

    Raises WeightsError: a file that is missing, damaged, of another system, mixed from several widths, or that would
    run code. BadInput: unknown system or part.
    """
    return read_checkpoint(path, system, part=part).state


def read_checkpoint(path: str | Path, system: str | None = None, *, part: str | None = None) -> Checkpoint:
    """As import_checkpoint, with the configuration that the shapes imply.

    system None: the one that fits. Discriminators of two systems may have the same names and shapes; then the generator
    in the same folder tells which is meant, or networks there that only one system has.

    Raises WeightsError also where nothing tells.
    """
    path = Path(path)
    if store.is_ours(path):
        raise WeightsError(f"{path}: weights of pyapdraw given, which need no import, a published checkpoint expected")
    found = _Found.of(path, system, part) if system is not None else _fitting(path, part)
    return Checkpoint(found.system, found.part, found.config, found.state())


def _fitting(path: Path, part: str | None) -> _Found:
    """What a file holds of the one system that it fits."""
    fits, faults = [], []
    for system in SYSTEMS:
        try:
            fits.append(_Found.of(path, system, part))
        except WeightsError as error:
            faults.append(str(error))
    if not fits:
        raise WeightsError("; ".join(dict.fromkeys(faults)))
    if len(fits) > 1:
        fits = [found for found in fits if found.fits()] or fits[:1]
    folder = path if os.path.isdir(path) else path.parent
    for tells in (_has_generator, _has_own):
        if len(fits) > 1:
            fits = [found for found in fits if tells(folder, found.system)] or fits
    if len(fits) > 1:
        both = " and ".join(found.system for found in fits)
        raise WeightsError(f"{path}: {fits[0].part} that fit {both} alike given, the system expected as well")
    return fits[0]


def _has_generator(folder: Path, system: str) -> bool:
    try:
        _Found.of(folder, system, "generator")
    except WeightsError:
        return False
    return True


def _has_own(folder: Path, system: str) -> bool:
    """Whether a folder holds networks that no other system has."""
    nets = [net for _, net, _ in files_of.listed(folder)]
    others = [layout(other) for other in SYSTEMS if other != system]
    return any(layout(system).net_name(net) and not any(other.net_name(net) for other in others) for net in nets)


class _Found(NamedTuple):
    """Networks of one part of one system, not yet compared with what they should hold."""

    system: str
    part: str
    config: dict[str, Any]
    nets: Nets
    where: str

    @classmethod
    def of(cls, path: Path, system: str, part: str | None) -> _Found:
        about = layout(system)
        if part is not None and part not in about.PARTS:
            raise BadInput(f"part: {part!r} given, one of {', '.join(map(repr, about.PARTS))} expected")
        nets, where = files_of.networks(path, about, part)
        part = _part(nets, where, about, part, system)
        apart = [name for name in about.ELSEWHERE.get(part, ()) if name not in nets]
        nets |= files_of.elsewhere(path, about, apart)
        missing = [name for name in about.PARTS[part] if name not in nets]
        if missing:
            raise WeightsError(f"{where}: networks {', '.join(missing)} are missing; {part} of {system} expected")
        nets = {name: _cleaned(f"{where}, {name}", state) for name, state in nets.items()}
        shapes = {name: {key: tuple(value.shape) for key, value in state.items()} for name, state in nets.items()}
        try:
            config = about.config(part, shapes)
        except KeyError as error:
            what = f"no tensor {error.args[0]!r} where it is expected"
            raise WeightsError(f"{where}: {what}; {part} of {system} expected") from error
        except (IndexError, ZeroDivisionError) as error:  # first tensors of other ranks, or empty
            raise WeightsError(f"{where}: tensors of no sensible shape given, {part} of {system} expected") from error
        return cls(system, part, config, nets, where)

    def state(self) -> dict[str, Any]:
        """The tensors under our names. Raises WeightsError: they do not fit."""
        expected = f"{self.part} of {self.system}, {_text(self.config)}"
        return _matched(self.where, self.nets, layout(self.system).slots(self.part, self.config), expected)

    def fits(self) -> bool:
        try:
            self.state()
        except WeightsError:
            return False
        return True


def export_checkpoint(
    weights: store.Weights, path: str | Path, *, overwrite: bool = False, epoch: str = "latest"
) -> list[Path]:
    """Writes weights under their published names: one file of all networks (`*_net_gen.pt`, `*_net_dis.pt`), or, where
    `path` is a folder, `<epoch>_net_<name>.pth` each; one that is not there yet is written with a separator at its end.
    Auxiliary networks are always files of their own, in the folder `path`. Returns what it wrote.

    Networks that the published code keeps apart (`ELSEWHERE` of a system) go where it looks for them: `path`, or its
    folder, is a run among others in a folder of checkpoints, and there they have a folder of their own beside the runs.

    Raises WeightsError: weights that no published file holds, or tensors that do not fit the configuration.
    OutputError: a file that exists or cannot be written; then none was replaced.
    """
    torch = need("torch", extra="train", why="writing a published checkpoint")
    nets: dict[str, OrderedDict] = {}
    left = dict(weights.tensors)
    for name, slots in _slots_of(weights).items():
        nets[name] = OrderedDict()
        for slot in slots:
            value = left.pop(slot.ours, None)
            if value is None or value.shape != slot.shape:
                given = "nothing" if value is None else value.shape
                raise WeightsError(f"{slot.ours}: {given} given, {slot.shape} expected for {_text(weights.config)}")
            nets[name][slot.official] = torch.from_numpy(value.copy())
    if left:
        raise WeightsError(f"{next(iter(left))}: not expected in {weights.part} of {weights.system}")
    whole = not names_folder(path)
    files, apart = _exported(weights, nets, Path(path), whole, epoch), _apart(weights, Path(path), whole)
    made = {file.parent for file in files} & {apart, Path(path)}
    for file in files:
        if file.parent not in made or file.parent.is_dir():
            check_output(file, overwrite=overwrite)
    for folder in made:
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise write_failed(folder, error) from error
    for file, holding in files.items():
        buffer = io.BytesIO()
        torch.save(holding, buffer)
        with atomic_write(file, overwrite=overwrite) as out:
            out.write(buffer.getbuffer())
    return list(files)


def _slots_of(weights: store.Weights) -> dict[str, list[Slot]]:
    """What published files hold of such weights. Raises WeightsError: nothing."""
    if weights.system not in SYSTEMS or weights.part not in layout(weights.system).PARTS:
        known = "; ".join(f"{', '.join(layout(system).PARTS)} of {system}" for system in SYSTEMS)
        raise WeightsError(f"weights: {weights.part} of {weights.system} given, which no published file holds; "
                           f"{known} expected")  # fmt: skip
    try:
        return layout(weights.system).slots(weights.part, weights.config)
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        given = f"config {weights.config}"
        raise WeightsError(f"weights: {given} given, that of {weights.part} of {weights.system} expected") from error


def _apart(weights: store.Weights, path: Path, whole: bool) -> Path:
    """The folder of networks that the published code keeps apart from a run, or of auxiliary ones. whole: `path` is a
    file of all networks, not a folder."""
    if weights.part == "auxiliary":
        return path
    run = path.parent if whole else path
    return run.resolve().parent / layout(weights.system).ELSEWHERE_FOLDER


def _exported(
    weights: store.Weights, nets: dict[str, OrderedDict], path: Path, whole: bool, epoch: str
) -> dict[Path, Any]:
    """What each file is to hold. whole: as for `_apart`."""
    about = layout(weights.system)
    apart = list(nets) if weights.part == "auxiliary" else about.ELSEWHERE.get(weights.part, ())
    together = {name: net for name, net in nets.items() if name not in apart}
    files: dict[Path, Any] = {path: together} if together else {}
    if not whole:
        files = {path / f"{epoch}_net_{about.file_name(name)}.pth": net for name, net in together.items()}
    # The published code reads these by the name "latest", whatever the epoch of the rest.
    named = epoch if weights.part == "auxiliary" else "latest"
    folder = _apart(weights, path, whole)
    return files | {folder / f"{named}_net_{about.file_name(name)}.pth": nets[name] for name in apart}


def layout(system: str) -> Any:
    """The module that knows the published names of a system."""
    if system not in SYSTEMS:
        raise BadInput(f"system: {system!r} given, one of {', '.join(map(repr, SYSTEMS))} expected")
    return importlib.import_module(f"pyapdraw.weights.{system}")


def _part(nets: Nets, where: str, about: Any, asked: str | None, system: str) -> str:
    for part, names in about.PARTS.items():
        if set(nets) <= set(names):
            if asked not in (None, part):
                raise WeightsError(f"{where}: {part} of {system} given, {asked} expected")
            return part
    expected = "; ".join(f"{part}: {', '.join(names)}" for part, names in about.PARTS.items())
    raise WeightsError(f"{where}: networks {', '.join(nets)} given, one part of {system} expected ({expected})")


def _cleaned(where: str, state: Mapping[Any, Any]) -> dict[str, Any]:
    """Text keys without "module.", the places of dropout evened out; tensors only."""
    import torch

    named = {text_key(key): value for key, value in state.items()}
    if named and all(key.startswith("module.") for key in named):
        named = {key.removeprefix("module."): value for key, value in named.items()}
    for key, value in named.items():
        if not isinstance(value, torch.Tensor):
            raise WeightsError(f"{where}: {key} is {type(value).__name__}, a tensor expected")
    moved = without_shift([key for key, value in named.items() if value.dim() == 4])
    if moved:

        def place(key: str) -> str:
            block = re.match(r".*\.conv_block\.\d+\.", key)
            return moved[block[0]] + key[block.end() :] if block and block[0] in moved else key

        named = {place(key): value for key, value in named.items()}
    return named


def _matched(where: str, nets: Nets, slots: dict[str, list[Slot]], expected: str) -> dict[str, Any]:
    """Every slot filled with its tensor, float32; everything that does not fit is told in one error."""
    import torch

    state, faults = {}, []
    for name, wanted in slots.items():
        given = dict(nets[name])
        for slot in wanted:
            value = given.pop(slot.official, None)
            if value is None:
                if slot.optional:
                    value = torch.zeros(slot.shape, dtype=torch.int64)
                else:
                    faults.append(f"{name}.{slot.official} is missing")
                    continue
            if tuple(value.shape) != slot.shape:
                faults.append(f"{name}.{slot.official} is {tuple(value.shape)}, {slot.shape} expected")
            elif value.is_floating_point() != (not slot.optional):
                faults.append(f"{name}.{slot.official} is {value.dtype}")
            elif not bool(torch.isfinite(value).all()):
                faults.append(f"{name}.{slot.official} holds NaN or infinity")
            else:
                state[slot.ours] = (
                    value.detach().to(torch.int64 if slot.optional else torch.float32).contiguous().clone()
                )
        faults += [f"{name}.{key} is not expected" for key in given]
    if faults:
        more = f" and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        raise WeightsError(f"{where}: does not fit {expected}: {'; '.join(faults[:SHOWN])}{more}")
    return state


def _text(config: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in config.items())
