"""Published checkpoints into state dicts of pyapdraw.models, and back.

Pickles are read by torch's restricted reader only, which builds tensors and containers and runs nothing else.
"""

from __future__ import annotations

import importlib
import io
import pickle
import re
import warnings
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pyapdraw.errors import BadInput, WeightsError
from pyapdraw.need import need
from pyapdraw.weights import store
from pyapdraw.weights.layouts import Slot, without_shift

SYSTEMS = ("apdrawing", "apdrawing2")
FILE = re.compile(r"(?P<epoch>.+)_net_(?P<net>[A-Za-z0-9]+?)(?P<small>_small)?\.(pth|pt)")
TOGETHER = {"generator": "gen", "discriminators": "dis"}  # parts that the published code keeps in one file
SHOWN = 4  # faults that one message names

Nets = dict[str, dict[str, Any]]


class Checkpoint(NamedTuple):
    """A published checkpoint under our names. config: what its shapes say; state: torch tensors on the CPU."""

    system: str
    part: str
    config: dict[str, Any]
    state: dict[str, Any]

    @property
    def weights(self) -> store.Weights:
        tensors = {name: value.numpy() for name, value in self.state.items()}
        return store.Weights(self.system, self.part, self.config, tensors)


def import_checkpoint(path: str | Path, system: str, *, part: str | None = None) -> dict[str, Any]:
    """State dict of ours from a published checkpoint; `read_checkpoint` gives the configuration that fits it as well.

    path: `*_net_gen.pt`, `*_net_dis.pt`, one `*_net_<name>.pth` beside the others of its part and epoch, or a folder of
    such files (then of the epoch "latest", or the highest). Containers of any torch version, "module." prefixes, files
    without num_batches_tracked, and residual blocks with or without dropout are accepted, of any width.
    system: one of SYSTEMS. part: "generator", "discriminators" or "auxiliary"; None: what the file holds,
    and the generator of a folder.

    Raises WeightsError: a file that is missing, damaged, of another system, mixed from several widths, or that would
    run code. BadInput: unknown system or part.
    """
    return read_checkpoint(path, system, part=part).state


def read_checkpoint(path: str | Path, system: str | None = None, *, part: str | None = None) -> Checkpoint:
    """As import_checkpoint, with the configuration that the shapes imply. system None: the first that fits."""
    if system is not None:
        found = _Found.of(Path(path), system, part)
    else:
        faults = []
        for each in SYSTEMS:
            try:
                found = _Found.of(Path(path), each, part)
                break
            except WeightsError as error:
                faults.append(str(error))
        else:
            raise WeightsError("; ".join(dict.fromkeys(faults)))
    expected = f"{found.part} of {found.system}, {_text(found.config)}"
    state = _matched(found.where, found.nets, layout(found.system).slots(found.part, found.config), expected)
    return Checkpoint(found.system, found.part, found.config, state)


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
        nets, where = _nets(path, about, part)
        part = _part(nets, where, about, part, system)
        nets |= _elsewhere(path, about, [name for name in about.ELSEWHERE.get(part, ()) if name not in nets])
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


def export_checkpoint(
    weights: store.Weights, path: str | Path, *, overwrite: bool = False, epoch: str = "latest"
) -> list[Path]:
    """Writes weights under their published names: one file of all networks (`*_net_gen.pt`, `*_net_dis.pt`), or, for
    auxiliary networks and where `path` is a folder that exists, `<epoch>_net_<name>.pth` each. Networks that the
    published code keeps apart go into its folder for them, beside `path`. Returns what it wrote.

    Raises WeightsError: tensors that do not fit the configuration. OutputError: a file that exists or cannot be
    written.
    """
    torch = need("torch", extra="train", why="writing a published checkpoint")
    about = layout(weights.system)
    nets: dict[str, OrderedDict] = {}
    for name, slots in about.slots(weights.part, weights.config).items():
        nets[name] = OrderedDict()
        for slot in slots:
            value = weights.tensors.get(slot.ours)
            if value is None or value.shape != slot.shape:
                given = "nothing" if value is None else value.shape
                raise WeightsError(f"{slot.ours}: {given} given, {slot.shape} expected for {_text(weights.config)}")
            nets[name][slot.official] = torch.from_numpy(value.copy())
    path = Path(path)
    apart = about.ELSEWHERE.get(weights.part, ())
    files: dict[Path, Any] = {}
    if weights.part == "auxiliary" or path.is_dir():
        files = {path / f"{epoch}_net_{about.file_name(name)}.pth": net for name, net in nets.items()}
    else:
        files = {path: {name: net for name, net in nets.items() if name not in apart}}
        folder = path.parent / about.ELSEWHERE_FOLDER
        files |= {folder / f"latest_net_{about.file_name(name)}.pth": nets[name] for name in apart}
    for file, holding in files.items():
        buffer = io.BytesIO()
        torch.save(holding, buffer)
        store.put(file, buffer.getvalue(), overwrite=overwrite)
    return list(files)


def layout(system: str) -> Any:
    """The module that knows the published names of a system."""
    if system not in SYSTEMS:
        raise BadInput(f"system: {system!r} given, one of {', '.join(map(repr, SYSTEMS))} expected")
    return importlib.import_module(f"pyapdraw.weights.{system}")


def load_pickle(path: Path) -> Any:
    """What a torch file holds: tensors, numbers, text and containers of these. Raises WeightsError."""
    torch = need("torch", extra="train", why="reading a published checkpoint")
    if not path.is_file():
        raise WeightsError(f"{path}: cannot read: {'not a file' if path.exists() else 'no such file'}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle protocols: what cannot be read is an error anyway
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        code = re.search(r"GLOBAL ([\w.]+\.\w+)|(Unsupported \w+ \d+)", str(error))
        if code:
            what = code[1] or code[2].lower()
            raise WeightsError(f"{path}: refused: it holds more than tensors, which could run code ({what})") from error
        raise WeightsError(f"{path}: not a torch file, or damaged ({_line(error)})") from error
    except Exception as error:  # the container's reader raises nearly anything for damaged files
        raise WeightsError(f"{path}: not a torch file, or damaged ({type(error).__name__}: {_line(error)})") from error


def _nets(path: Path, about: Any, part: str | None) -> tuple[Nets, str]:
    """The networks in a file, or in the files of one epoch, and what to call them in messages."""
    if path.is_dir():
        return _folder(path, about, part)
    held = load_pickle(path)
    if not isinstance(held, Mapping) or not held:
        raise WeightsError(f"{path}: {type(held).__name__} given, a dictionary of tensors by name expected")
    if all(isinstance(state, Mapping) for state in held.values()):
        return {_text_key(name): dict(state) for name, state in held.items()}, str(path)
    match = FILE.fullmatch(path.name)
    net = about.net_name(match["net"]) if match else None
    if match is None or net is None:
        known = ", ".join(name for nets in about.PARTS.values() for name in nets)
        raise WeightsError(f"{path}: one network's state given in a file that is not named EPOCH_net_NAME.pth, "
                           f"NAME one of {known}")  # fmt: skip
    part = next(p for p, nets in about.PARTS.items() if net in nets)
    siblings = _files(path.parent, about, part, match["epoch"])
    return {**{name: _one(file) for name, file in siblings.items() if name != net}, net: dict(held)}, str(path)


def _folder(path: Path, about: Any, part: str | None) -> tuple[Nets, str]:
    """Of the epoch "latest", or the highest; of the part asked for, or the first that the folder holds."""
    epochs = [m["epoch"] for file in sorted(path.iterdir()) if (m := FILE.fullmatch(file.name))]
    if not epochs:
        raise WeightsError(f"{path}: no file named EPOCH_net_*.pt or .pth, a folder of checkpoints expected")
    epoch = "latest" if "latest" in epochs else max(epochs, key=lambda e: (e.isdigit(), int(e) if e.isdigit() else 0))
    for each in [part] if part else about.PARTS:
        whole = path / f"{epoch}_net_{TOGETHER.get(each, '-')}.pt"
        if whole.exists():
            return _nets(whole, about, each)
        files = _files(path, about, each, epoch)
        if files:
            return {name: _one(file) for name, file in files.items()}, f"{path} (epoch {epoch})"
    raise WeightsError(f"{path}: no networks of {part or 'this system'} in files of epoch {epoch}")


def _files(folder: Path, about: Any, part: str, epoch: str) -> dict[str, Path]:
    """One file a network, those that exist."""
    found: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        match = FILE.fullmatch(file.name)
        if match and match["epoch"] == epoch and (name := about.net_name(match["net"])) in about.PARTS[part]:
            found.setdefault(name, file)
    return found


def _elsewhere(path: Path, about: Any, names: list[str]) -> Nets:
    """Networks in the auxiliary folders in or beside a checkpoint's folder, or in that folder: those that are found."""
    folder = path if path.is_dir() else path.parent
    found: Nets = {}
    for place in [folder, *sorted(folder.glob("auxiliary*/")), *sorted(folder.resolve().parent.glob("auxiliary*/"))]:
        for file in sorted(place.iterdir()) if names else ():
            match = FILE.fullmatch(file.name)
            name = about.net_name(match["net"]) if match else None
            if name in names and name not in found:
                found[name] = _one(file)
    return found


def _one(path: Path) -> dict[str, Any]:
    held = load_pickle(path)
    if not isinstance(held, Mapping):
        raise WeightsError(f"{path}: {type(held).__name__} given, a dictionary of tensors by name expected")
    return dict(held)


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

    named = {_text_key(key): value for key, value in state.items()}
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


def _text_key(key: Any) -> str:
    return key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key)


def _text(config: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in config.items())


def _line(text: Any) -> str:
    """The first words of a message of torch's, which would go on with advice to turn the check off."""
    return " ".join(str(text).split())[:120]
