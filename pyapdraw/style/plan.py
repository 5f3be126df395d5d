"""How a style runs. `plan` chooses device and runtime, once the weights are known, and records why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyapdraw import _C
from pyapdraw.choices import DEVICES
from pyapdraw.errors import BadInput, DeviceError, Unsupported

if TYPE_CHECKING:
    from pyapdraw.style.registry import Entry
    from pyapdraw.weights import Weights


@dataclass(frozen=True)
class Plan:
    """What runs a style, and why it was chosen."""

    device: str
    runtime: str
    reason: str


def plan(entry: Entry, weights: Weights | None = None, device: str = "auto", runtime: str = "auto") -> Plan:
    """Chooses how to run a style.

    Args:
        entry: the style. weights: of its network; they say which network it is, and that what can run it.
        device: "auto", "cpu" or "cuda". A device that was asked for by name is never replaced by another.
        runtime: "auto" or a runtime name.

    Raises:
        BadInput: unknown name. DeviceError: no such device here. Unsupported: the style has no kernels for it.
    """
    if device not in DEVICES:
        raise BadInput(f"device: {device!r} given, one of {', '.join(DEVICES)} expected")
    network = weights.model if weights else None
    runtimes = entry.runtimes(network)
    what = f"style {entry.name!r}" + (f" with weights of {network!r}" if network else "")
    known = sorted({r for names in runtimes.values() for r in names})
    if runtime != "auto" and runtime not in known:
        raise BadInput(f"runtime: {runtime!r} given, auto or one of {', '.join(known)} expected for {what}")
    if device == "cuda":
        if not runtimes.get("cuda"):
            raise Unsupported(f"device: cuda given, but {what} has no CUDA runtime; cpu or auto expected")
        reason = _C.cuda_devices()["reason"]
        if reason:
            raise DeviceError(f"device: cuda given, but {reason}")
    chosen = "cuda" if device == "cuda" else "cpu"
    there = runtimes[chosen]
    if runtime != "auto" and runtime not in there:
        raise BadInput(f"runtime: {runtime!r} given, auto or one of {', '.join(there)} expected on {chosen}")
    name, why = (there[0], f"first choice on {chosen}") if runtime == "auto" else (runtime, "asked for")
    why_there = f"the only device style {entry.name!r} runs on" if device == "auto" else "asked for"
    return Plan(chosen, name, f"{chosen}: {why_there}; runtime {name}: {why}")
