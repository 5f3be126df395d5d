"""The copies of `--device cuda`, with memory of the CPU standing for that of a GPU."""

import re
import sys
from pathlib import Path

import copy_to_device
import numpy as np
import pytest
from cases_valid_calls import VALID, results, run

from pyapdraw import _C
from pyapdraw.errors import BadInput, Unsupported

torch = pytest.importorskip("torch", reason="their memory is held as torch tensors")


@pytest.fixture
def native():
    return copy_to_device.DeviceCopies(_C, "cpu")


class Recorder:
    """In place of the native module: keeps what an operation was given."""

    __spec__, __name__ = None, "recorder"

    def __init__(self, act=lambda **arrays: None):
        self.given = {}
        self.act = act

    def backends(self):
        return {"cpu": {"composite": True, "warp_affine": True}}

    def composite(self, **arrays):
        self.given = arrays
        return self.act(**arrays)

    def warp_affine(self, **arrays):
        self.given = arrays

    composite.__doc__ = "composite(x: array, y: array, out: array, ctx: Context = None) -> None"
    warp_affine.__doc__ = "warp_affine(image: array, matrix: array, out: array) -> None"


def test_answers_come_back_through_strides_and_shared_memory(native):
    """conv2d between channel slices of one array, whose other channels stay as they are."""
    rng = np.random.default_rng(0)
    expected = rng.standard_normal((2, 9, 11, 12)).astype(np.float32)
    found = expected.copy()
    weight, bias, slope = (rng.standard_normal(s).astype(np.float32) for s in ((3, 3, 4, 5), (5,), (5,)))
    for module, memory in ((_C, expected), (native, found)):
        module.conv2d(memory[..., 1:5], weight, bias, slope, memory[..., 6:11], 1, 1)
    assert np.array_equal(found, expected)
    assert native.calls == 1


@pytest.mark.parametrize("flip", [slice(None), slice(None, None, -1), slice(None, None, 2), slice(5, None, -2)])
def test_negative_and_wide_strides(native, flip):
    sites = np.random.default_rng(1).random((24, 40)) < 0.1
    expected, found = np.full((2, 24, 40), -1, np.float32)
    _C.distance_transform(sites[flip, flip], expected[flip, flip])
    native.distance_transform(sites[flip, flip], found[flip, flip], False, _C.Context(threads=1))
    assert np.array_equal(found, expected)


def test_torch_tensors_of_every_float_type(native):
    for dtype in (torch.float32, torch.bfloat16, torch.float64):
        x = torch.randn(2, 3, 4, 5, dtype=dtype).contiguous(memory_format=torch.channels_last)[:, :, 1:, ::2]
        how = _C.BiasAct("lrelu", 0.2, 1.0, -1.0)
        outs = [torch.full((2, 3, 3, 3), 7, dtype=dtype) for _ in range(2)]
        for module, out in zip((_C, native), outs):
            module.bias_act(x, np.empty(0, np.uint8), out, how, 1)
        assert torch.equal(*outs)


def test_errors_are_those_of_the_core(native):
    with pytest.raises(BadInput, match="out: shape"):
        native.distance_transform(np.zeros((3, 4), bool), np.zeros((3, 5), np.float32))
    with pytest.raises(TypeError):
        native.distance_transform(np.zeros((3, 4), bool))


def test_alignment_overlap_and_read_only_arrive():
    recorder = Recorder()
    memory = np.zeros(4096, np.float32)
    fixed = memory[300:310].copy()
    fixed.flags.writeable = False
    for start in (1, 3, 16, 65):
        copied = copy_to_device.DeviceCopies(recorder, "cpu")
        copied.composite(memory[start : start + 50], memory[start + 20 : start + 90], fixed)
        x, y, out = (recorder.given[n] for n in ("x", "y", "out"))
        assert (y.ctypes.data - x.ctypes.data) == 80, "no longer parts of the same memory"
        assert (x.ctypes.data - memory[start:].ctypes.data) % 64 == 0
        assert not out.flags.writeable and x.flags.writeable
        assert not np.shares_memory(x, memory)


def test_what_the_core_reads_on_the_cpu_stays_there():
    recorder, matrix = Recorder(), np.eye(3)
    copy_to_device.DeviceCopies(recorder, "cpu").warp_affine(np.zeros((4, 4)), matrix, out=np.zeros((4, 4)))
    assert recorder.given["matrix"] is matrix


def test_writes_outside_are_found():
    def beyond(x, y, out):
        np.ndarray(60, np.float32, buffer=(np.ctypeslib.ctypes.c_char * 240).from_address(x.ctypes.data))[55] = 1

    arrays = [np.zeros(n, np.float32) for n in (50, 10, 10)]
    with pytest.raises(AssertionError, match="outside its arrays"):
        copy_to_device.DeviceCopies(Recorder(beyond), "cpu").composite(*arrays)


def test_everything_that_is_no_operation_is_the_modules_own(native):
    assert native.Context is _C.Context and native.backends() == _C.backends() and native.__version__ == _C.__version__
    assert set(dir(native)) == set(dir(_C))


def test_host_arguments_are_those_of_the_core():
    for operation, arguments in copy_to_device.HOST.items():
        signature = getattr(_C, operation).__doc__.split("\n")[0]
        assert all(f"{name}: " in signature for name in arguments), (operation, signature)
    core = Path(__file__).resolve().parents[1] / "csrc" / "core"
    if not core.is_dir():
        pytest.skip("not run from a source tree")
    checked = re.compile(r'(\w+)\.device\.type == DeviceType::cpu, ?"?(\w+)')
    wanted = {name for path in core.glob("*.cpp") for _, name in checked.findall(path.read_text())}
    known = frozenset().union(*copy_to_device.HOST.values())
    assert wanted - {"arg"} <= known, wanted


ZEROS: dict[str, tuple] = {  # operation -> shapes of its arrays, and options; 0 first, in between and last
    "conv2d without images": ("conv2d", [(0, 5, 6, 3), (3, 3, 3, 4), (4,), (4,), (0, 3, 4, 4)], (1, 0)),
    "conv2d without outputs": ("conv2d", [(1, 5, 6, 3), (3, 3, 3, 0), (0,), (0,), (1, 3, 4, 0)], (1, 0)),
    "max_pool2d without images": ("max_pool2d", [(0, 4, 4, 3), (0, 2, 2, 3)], (2, 2)),
    "max_pool2d without channels": ("max_pool2d", [(1, 4, 4, 0), (1, 2, 2, 0)], (2, 2)),
    "pixel_unshuffle without planes": ("pixel_unshuffle", [(0, 4, 4), (2, 2, 0)], ()),
    "pixel_unshuffle without rows": ("pixel_unshuffle", [(2, 0, 4), (0, 2, 8)], ()),
    "add_upsampled without images": ("add_upsampled", [(0, 2, 2, 3), (0, 1, 1, 3)], ()),
    "add_upsampled without columns": ("add_upsampled", [(1, 2, 0, 3), (1, 1, 0, 3)], ()),
    "distance_transform without rows": ("distance_transform", [(0, 5), (0, 5)], ()),
    "distance_transform without columns": ("distance_transform", [(5, 0), (5, 0)], ()),
    "nms without boxes": ("nms", [(0, 4), (0,)], (0.5,)),
}
TYPES = {"distance_transform": (np.uint8, np.float32), "nms": (np.float32, np.bool_)}


@pytest.mark.parametrize("case", ZEROS)
@pytest.mark.parametrize("steps", ["numpy's", "all zero", "of another shape"])
def test_arrays_of_no_elements_are_contiguous_whatever_their_strides(case, steps):
    """numpy gives an array without elements strides of zero, torch those of its sides; copied, it keeps them."""
    op, shapes, options = ZEROS[case]
    types = TYPES.get(op, (np.float32,) * len(shapes))
    arrays = [np.zeros(shape, kind) for shape, kind in zip(shapes, types, strict=True)]
    for i, array in enumerate(arrays):
        if array.size == 0 and steps != "numpy's":
            own = [0] * array.ndim if steps == "all zero" else [(1 + k) * array.itemsize for k in range(array.ndim)]
            arrays[i] = np.lib.stride_tricks.as_strided(array, array.shape, own)
    for module in [_C, copy_to_device.DeviceCopies(_C, "cpu", lent=_C.cpu_backends() == ["emulated"])]:
        getattr(module, op)(*arrays, *options)


def test_torchs_own_layout_of_no_elements_is_contiguous():
    weight = torch.empty(3, 3, 3, 0)
    assert weight.stride() == (9, 3, 1, 1)
    x, none = torch.zeros(1, 5, 6, 3), torch.zeros(0)
    _C.conv2d(x, weight, none, none, torch.zeros(1, 3, 4, 0), 1, 0)


def test_why_there_is_no_gpu_is_said():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    assert copy_to_device.missing() == "torch finds no CUDA device"


@pytest.mark.skipif(_C.cpu_backends() != ["emulated"], reason="needs the emulated module, under which it also runs")
@pytest.mark.parametrize("op", VALID)
def test_every_operation_takes_what_is_carried(op, monkeypatch):
    """Memory of the CPU lent as that of a device: pointers, host arguments and scratch memory as on a GPU."""
    given = VALID[op]()

    def called():
        arrays = {name: array.copy() for name, array in given.arrays.items()}
        return results(run(op, arrays, **given.options)) or [arrays[name] for name in sorted(given.inplace)]

    try:
        expected = called()
    except Unsupported as error:
        pytest.skip(str(error))
    lent = copy_to_device.DeviceCopies(_C, "cpu", lent=True)
    for name, module in list(sys.modules.items()):
        if name.startswith("pyapdraw.") and getattr(module, "_C", None) is _C:
            monkeypatch.setattr(module, "_C", lent)
    for mine, theirs in zip(called(), expected, strict=True):
        assert np.array_equal(mine, theirs)
    assert lent.calls
