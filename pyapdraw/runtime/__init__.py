"""Running a network by whatever runs it here: `load` gives an `Engine`.

N networks and M engines, never N x M: a network says what goes in and out (`models.registry.PORTS`), and an engine runs
any that it can. Another engine is a module with `start(loaded, where, device, precision, threads)` and an entry of
ENGINES.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Container, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pyapdraw.errors import BadInput, Unsupported
from pyapdraw.models import registry

if TYPE_CHECKING:
    from pyapdraw.weights import Weights

PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class Kind:
    """An engine: its module, the devices that it knows, and the networks that it runs."""

    module: str
    devices: tuple[str, ...]
    networks: Container[str]


ENGINES: dict[str, Kind] = {  # best first
    "native": Kind("pyapdraw.runtime.native_engine", ("cpu",), registry.NATIVE),
    "eager": Kind("pyapdraw.runtime.eager", ("cpu",), registry.PORTS),
}


def runtimes(network: str) -> dict[str, tuple[str, ...]]:
    """device -> names of the engines that run a network there, best first."""
    able = {name: kind for name, kind in ENGINES.items() if network in kind.networks}
    devices = {device for kind in able.values() for device in kind.devices}
    return {d: tuple(name for name, kind in able.items() if d in kind.devices) for d in sorted(devices)}


@dataclass
class Engine:
    """A network that is ready to run. Safe to use from several threads.

    network: its name in `pyapdraw.models`. runtime, device, precision: what runs it, where, and in what it multiplies.
    """

    network: str
    runtime: str
    device: str
    precision: str
    call: Callable[..., Mapping[str, np.ndarray]] | None = field(repr=False)

    @property
    def ports(self) -> registry.Ports:
        """Its inputs and outputs."""
        return registry.PORTS[self.network]

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """name -> array in, name -> array out, see `describe`. Raises BadInput: a name too many or too few, a wrong
        shape, or an engine that was closed."""
        if self.call is None:
            raise BadInput(f"engine of {self.network}: closed, an open one expected")
        if inputs.keys() != self.ports.inputs.keys():
            raise BadInput(f"inputs: {', '.join(inputs)} given, {', '.join(self.ports.inputs)} expected")
        return dict(self.call(**inputs))

    def describe(self) -> dict[str, Any]:
        """Network, runtime, device, precision, and its inputs and outputs with dtypes and shapes."""
        said = {name: getattr(self, name) for name in ("network", "runtime", "device", "precision")}
        return {**said, **asdict(self.ports)}

    def close(self) -> None:
        """Lets the weights and the memory go."""
        self.call = None

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def load(path_or_name: str | Path, runtime: str = "auto", device: str = "auto", precision: str = "auto") -> Engine:
    """An engine for weights: a file of ours, a published checkpoint, or the name of shipped ones.

    Args:
        path_or_name: as for `pyapdraw.models.load`.
        runtime: "auto", the best there is here, or "native" or "eager" (torch).
        device: "auto" or "cpu".
        precision: "float32"; "bfloat16" where the runtime has it; "auto": what is fastest and draws the same.

    Raises:
        BadInput: an unknown runtime, device or precision. WeightsError: no such weights. Unsupported: a network that
        nothing runs, such as a discriminator, or a package that is not installed.

    >>> engine = load("apdrawing")
    >>> engine.runtime, sorted(engine.describe()["inputs"])
    ('native', ['centres', 'ink', 'mask', 'pixels'])
    """
    from pyapdraw import weights

    loaded = weights.find(path_or_name)
    able = runtimes(loaded.model)
    if not able:
        raise Unsupported(f"{path_or_name}: {loaded.model} given, one of {', '.join(registry.PORTS)} expected")
    if device not in ("auto", *able):
        raise BadInput(f"device: {device!r} given, auto or one of {', '.join(able)} expected for {loaded.model}")
    there = next(iter(able)) if device == "auto" else device
    if runtime not in ("auto", *able[there]):
        raise BadInput(f"runtime: {runtime!r} given, auto or one of {', '.join(able[there])} expected on {there}")
    return start(loaded, path_or_name, able[there][0] if runtime == "auto" else runtime, there, precision)


def start(
    loaded: Weights,
    where: str | Path,
    runtime: str,
    device: str = "cpu",
    precision: str = "auto",
    threads: int = 0,
) -> Engine:
    """An engine for weights that were read already, by that runtime on that device. where: what messages call them.
    threads: worker threads a call; 0 = the process default, which is the only choice with torch."""
    if precision not in PRECISIONS:
        raise BadInput(f"precision: {precision!r} given, one of {', '.join(PRECISIONS)} expected")
    return importlib.import_module(ENGINES[runtime].module).start(loaded, where, device, precision, threads)
