"""The calls that compute-sanitizer watches on a GPU (bench/gpu/sanitize.py) reach the kernels they are meant for and
are right: on the emulated device with the CUDA kernels, here with those of the CPU, which take no float16."""

import sys
from pathlib import Path

import pytest

from pyapdraw import _C
from pyapdraw.errors import BadInput, Unsupported

GPU = Path(__file__).resolve().parents[1] / "bench" / "gpu"
if not GPU.is_dir():
    pytest.skip("not run from a source tree", allow_module_level=True)
pytest.importorskip("torch", reason="16 bits come as torch tensors")
EMULATED = _C.cpu_backends() == ["emulated"]


@pytest.fixture(scope="module")
def sanitize():
    sys.path.insert(0, str(GPU))
    import sanitize

    yield sanitize
    sys.path.remove(str(GPU))


def test_every_way_through_the_tensor_cores_is_called_in_every_dtype(sanitize):
    names = [name for name, _ in sanitize.tensor_core_calls()]
    for dtype in ("float32", "float16", "bfloat16"):
        for way in ("plain", "own weights", "up", "split", "up, split", "1x1", "down"):
            assert f"modulated_conv2d {dtype}, {way}" in names
        assert f"backward weight {dtype}" in names
    assert {"fuse_regions float16", "fuse_regions bfloat16"} <= set(names)


def test_they_are_right(sanitize):
    for name, call in sanitize.tensor_core_calls():
        try:
            sanitize.same(call.run(), call.reference(), 1e-2 if "float16" in name else 1e-3)
        except (BadInput, Unsupported):
            assert not EMULATED and "float16" in name, name
