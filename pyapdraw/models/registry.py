"""The networks by name. They are made on first use, so listing them loads nothing."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyapdraw.errors import BadInput, WeightsError
from pyapdraw.need import need

if TYPE_CHECKING:
    from pyapdraw.weights import Weights


# Networks: name -> "module:Class"; made from an object of its `config_class`.
MODELS: dict[str, str] = {
    "apdrawing": "pyapdraw.models.apdrawing:Generator",
    "apdrawing.small": "pyapdraw.models.apdrawing_small:Generator",
    "apdrawing.discriminators": "pyapdraw.models.apdrawing:Discriminators",
    "apdrawing.lines": "pyapdraw.models.apdrawing_lines:LineDetectors",
    "apdrawing.auxiliary": "pyapdraw.models.apdrawing:Auxiliary",
    "apdrawing2": "pyapdraw.models.apdrawing2:Generator",
    "apdrawing2.discriminators": "pyapdraw.models.apdrawing2:Discriminators",
    "apdrawing2.auxiliary": "pyapdraw.models.apdrawing2:Auxiliary",
}

# Those that are there on native operations too: name -> "module:Class", made of tensors, threads and `half`.
NATIVE: dict[str, str] = {"apdrawing.small": "pyapdraw.models.apdrawing_live:Network"}


@dataclass(frozen=True)
class Ports:
    """What goes into a network that an engine runs, and what comes out: name -> dtype, shape and meaning.

    Pictures are 8-bit, as they are everywhere between the stages: what a network makes of them inside is its own."""

    inputs: dict[str, str]
    outputs: dict[str, str]


_CROP = {
    "pixels": "uint8 [N,S,S,3], RGB of aligned crops",
    "mask": "uint8 [N,S,S], from 128 on it is the person",
    "centres": "int32 [N,4,2], (x, y) of eye, eye, nose, mouth: see models.rectangles.region_centres",
}
_DRAWING = {"drawing": "float32 [N,S,S] in [-1,1], 1 is paper"}

# The networks that engines run. Each form of them, in torch or native, has a method `run` of these ports.
PORTS: dict[str, Ports] = {
    "apdrawing.small": Ports({**_CROP, "ink": "uint8 [N,S,S], what style ink draws of them; S = 512"}, _DRAWING),
    "apdrawing": Ports({**_CROP, "centres": _CROP["centres"] + ", of align.official_landmarks"}, _DRAWING),
}


def create(name: str, **config: Any) -> Any:
    """Makes a torch module with fresh weights.

    name: one of MODELS; a system's own name is its generator. config: fields of its config_class, e.g. `ngf=4`.
    Raises BadInput: unknown name, field or value. Unsupported: torch is not installed.

    >>> create("apdrawing", ngf=4).config.levels
    8
    """
    if name not in MODELS:
        raise BadInput(f"model: {name!r} given, one of {', '.join(MODELS)} expected")
    need("torch", extra="train", why=f"the model {name}")
    module, cls = MODELS[name].split(":")
    network = getattr(importlib.import_module(module), cls)
    known = [field.name for field in fields(network.config_class)]
    for field in config:
        if field not in known:
            raise BadInput(f"{field}: not an option of {name}, which has {', '.join(known)}")
    return network(network.config_class(**config))


def load(path_or_name: str | Path, *, system: str | None = None, part: str | None = None, **config: Any) -> Any:
    """A torch module with its weights, in evaluation mode.

    path_or_name: a weight file of ours (see `pyapdraw weights import`), a published checkpoint (file or folder) of any
    system, or the name of shipped weights. system, part: what it has to be, as in `weights.find`; needed where a file
    fits several systems, or a folder holds several parts. config: options that weights do not settle, such as
    norm="running"; what the file says about its shapes stays.
    Raises WeightsError: a file that is missing, damaged, of no known system, of several, or of another than asked for;
    or a config that contradicts it. BadInput: an unknown system or part of a published checkpoint.

    >>> load("latest_net_gen.pt", norm="running")  # doctest: +SKIP
    >>> load("checkpoints/run", system="apdrawing", part="auxiliary")  # doctest: +SKIP
    """
    from pyapdraw import weights

    return made(weights.find(path_or_name, system=system, part=part), path_or_name, **config)


def native(loaded: Weights, threads: int = 0, half: bool = True) -> Any:
    """The form of a network on native operations, with its weights. Raises BadInput: it has none."""
    if loaded.model not in NATIVE:
        raise BadInput(f"runtime: native given, but {loaded.model} is not there on native operations")
    module, name = NATIVE[loaded.model].split(":")
    return getattr(importlib.import_module(module), name)(loaded.tensors, threads, half)


def made(loaded: Weights, where: str | Path, **config: Any) -> Any:
    """The torch module of weights that were read already. where: what messages call them. Otherwise as `load`."""
    if loaded.model not in MODELS:
        raise WeightsError(f"{where}: weights of {loaded.model!r} given, one of {', '.join(MODELS)} expected")
    try:
        network = create(loaded.model, **{**loaded.config, **config})
    except BadInput as error:
        raise WeightsError(f"{where}: {error}") from error
    given = {name: tuple(value.shape) for name, value in loaded.tensors.items()}
    wanted = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    wrong = [name for name in {**wanted, **given} if wanted.get(name) != given.get(name)]
    if wrong:
        asked = "".join(f", with {field} {value} asked for" for field, value in config.items())
        first = f"{wrong[0]}: {given.get(wrong[0], 'nothing')} given, {wanted.get(wrong[0], 'nothing')} expected"
        raise WeightsError(f"{where}: {len(wrong)} tensors do not fit {loaded.model}{asked}: {first}")
    torch = need("torch", extra="train", why="loading a model")
    network.load_state_dict({name: torch.from_numpy(value) for name, value in loaded.tensors.items()})
    return network.eval()
