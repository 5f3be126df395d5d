"""The instruction sets of the CPU kernels: no code of one leaks into another, and all give the same bits."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from cases_distance_transform import CASES
from cases_fuse_regions import portrait

from pyapdraw import _C
from pyapdraw.errors import BadInput
from pyapdraw.ops._arrays import EMPTY

BUILD = Path(__file__).resolve().parents[1] / "build" / "dev" / "CMakeFiles"


@pytest.fixture
def each_backend():
    names = _C.cpu_backends()
    yield names
    _C.use_backend(names[0])


def global_symbols(obj: Path) -> list[str]:
    """Defined symbols that the linker sees, weak ones included, demangled."""
    out = subprocess.run(["nm", "-C", "--defined-only", str(obj)], capture_output=True, text=True, check=True).stdout
    symbols = [m.groups() for m in re.finditer(r"^[0-9a-f]+ (\S) (.*)$", out, re.MULTILINE)]
    return [name for kind, name in symbols if kind.isupper() or kind in "uvw"]


@pytest.mark.parametrize("isa", ["cpu_v4", "cpu_v3"])
def test_nothing_leaves_the_namespace(isa):
    objects = sorted((BUILD / f"{isa}.dir").rglob("*.o"))
    if not objects:
        pytest.skip("no build folder build/dev (make build)")
    if not shutil.which("nm"):
        pytest.skip("nm is not installed")
    assert any("distance_transform" in name for obj in objects for name in global_symbols(obj))
    # A symbol that more than one instruction set may define: the linker would keep any one of them.
    leaked = [
        f"{obj.name}: {name}"
        for obj in objects
        for name in global_symbols(obj)
        if f"pyapdraw::{isa}::" not in name and not name.startswith("DW.ref.")
    ]
    assert not leaked, "\n".join(leaked)


def test_machine_runs_the_baseline_at_least(each_backend):
    assert each_backend[-1] == "cpu_base"
    for name in each_backend:
        _C.use_backend(name)
        assert next(iter(_C.backends())) == name
    with pytest.raises(BadInput, match="name: 'cpu_v9' given, one of"):
        _C.use_backend("cpu_v9")


def results(run, names):
    for name in names:
        _C.use_backend(name)
        yield [array.tobytes() for array in run()]


def assert_same_bits(run, names):
    first, *others = results(run, names)
    if not others:
        pytest.skip("this machine runs one instruction set only")
    assert all(other == first for other in others)


@pytest.mark.parametrize("case", CASES)
def test_distance_transform_gives_the_same_bits(case, each_backend):
    ink = CASES[case](333)

    def run():
        outs = [np.empty(ink.shape, np.float32) for _ in range(3)]
        _C.distance_transform_pair(ink, *outs[:2], False)
        _C.distance_transform(ink[:, ::-2], outs[2][:, ::2][:, : ink[:, ::-2].shape[1]], True)
        return [*outs[:2], outs[2][:, ::2].copy()]

    assert_same_bits(run, each_backend)


def test_fuse_regions_gives_the_same_bits(each_backend):
    parts, centres, hair, background, mask = portrait(2, 150, channels=2)
    parts = [np.round(p * 4) / 4 for p in parts]

    def run():
        out, won = np.empty_like(hair), np.empty(hair.shape, np.uint8)
        _C.fuse_regions(*parts, centres, hair, background, mask, out, won)
        grads = [np.empty_like(p) for p in (*parts, hair, background)]
        _C.fuse_regions_backward(hair, won, centres, EMPTY, *grads)
        return [out, won, *grads]

    assert_same_bits(run, each_backend)
