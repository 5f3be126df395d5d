"""How the model step runs. `plan` chooses device and runtime for a style, once, and records why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyapdraw import _C
from pyapdraw.errors import BadInput, DeviceError, Unsupported

if TYPE_CHECKING:
    from pyapdraw.models.registry import Entry

DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class Plan:
    """What runs a style, and why it was chosen."""

    device: str
    runtime: str
    reason: str


def plan(entry: Entry, device: str = "auto", runtime: str = "auto") -> Plan:
    """Chooses how to run a style.

    Args:
        entry: the style; `entry.runtimes` lists its runtimes a device, best first.
        device: "auto", "cpu" or "cuda". A device that was asked for by name is never replaced by another.
        runtime: "auto" or a runtime name.

    Raises:
        BadInput: unknown name. DeviceError: no such device here. Unsupported: the style has no kernels for it.
    """
    if device not in DEVICES:
        raise BadInput(f"device: {device!r} given, one of {', '.join(DEVICES)} expected")
    known = sorted({r for names in entry.runtimes.values() for r in names})
    if runtime != "auto" and runtime not in known:
        raise BadInput(
            f"runtime: {runtime!r} given, auto or one of {', '.join(known)} expected for style {entry.name!r}"
        )
    if device == "cuda":
        if not entry.runtimes.get("cuda"):
            raise Unsupported(f"device: cuda given, but style {entry.name!r} has no CUDA runtime; cpu or auto expected")
        reason = _C.cuda_devices()["reason"]
        if reason:
            raise DeviceError(f"device: cuda given, but {reason}")
        chosen, why = _chosen(entry, device, runtime)
        return Plan("cuda", chosen, f"cuda: asked for; runtime {chosen}: {why}")
    chosen, why = _chosen(entry, "cpu", runtime)
    why_cpu = "asked for" if device == "cpu" else f"the only device style {entry.name!r} runs on"
    return Plan("cpu", chosen, f"cpu: {why_cpu}; runtime {chosen}: {why}")


def _chosen(entry: Entry, device: str, runtime: str) -> tuple[str, str]:
    """The runtime on a device, and why."""
    if runtime == "auto":
        return entry.runtimes[device][0], f"first choice on {device}"
    if runtime not in entry.runtimes[device]:
        there = ", ".join(entry.runtimes[device])
        raise BadInput(f"runtime: {runtime!r} given, auto or one of {there} expected on {device}")
    return runtime, "asked for"
