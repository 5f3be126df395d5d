"""Every public operation with every argument spoilt in turn: the right result, or one pyapdraw.Error that names it."""

import importlib.util
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from arrays import laid_out
from cases_valid_calls import VALID, results, run

from pyapdraw import _C, ops
from pyapdraw.errors import Error

WITH_TORCH = importlib.util.find_spec("torch") is not None
EACH = [(op, name) for op, make in VALID.items() for name in make().arrays]
each_array = pytest.mark.parametrize(("op", "name"), EACH, ids=[f"{o}-{n}" for o, n in EACH])
needs_torch = pytest.mark.skipif(not WITH_TORCH, reason="torch is not installed")


def test_every_operation_has_a_valid_call():
    assert set(VALID) == set(ops.__all__) - {"on_stream"}, "add a row to tests/cases_valid_calls.py"
    for op, make in VALID.items():
        call = make()
        assert all(isinstance(r, np.ndarray) and r.size for r in results(run(op, call.arrays, **call.options)))


def tried(op, arrays, **options):
    """The results as numpy arrays, or the Error; anything else goes through, warnings too."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            answers = results(run(op, arrays, **options))
            return [r.detach().numpy() if hasattr(r, "detach") else r for r in answers]
        except Error as e:
            return e


def assert_names(error, names):
    """The message starts with, or at least contains, one of the arguments and is one sentence."""
    stems = {n.partition("[")[0] for n in names}
    message = str(error)
    assert isinstance(error, Error), f"not refused, expected an error about {sorted(stems)}"
    assert any(s in message for s in stems), f"{message!r} names none of {sorted(stems)}"
    assert "\n" not in message and len(message) < 400


def assert_same_or_error(answer, expected, names):
    if isinstance(answer, Error):
        assert_names(answer, names)
        return
    for got, wanted in zip(answer, expected, strict=True):  # another layout may sum in another order
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


def bytes_of(arrays, call):
    return {k: a.tobytes() for k, a in arrays.items() if k not in call.inplace}


@each_array
@pytest.mark.parametrize("kind", ["list", "none", "text", "number", "object"])
def test_another_kind_of_argument_is_refused_by_name(op, name, kind):
    call = VALID[op]()
    if kind == "none" and name in call.optional:
        pytest.skip(f"{name} is optional")
    if name in call.numpy_only and kind == "list":
        pytest.skip(f"{name} may be a list")
    wrong = {"list": call.arrays[name].tolist(), "none": None, "text": "abc", "number": 3, "object": object()}[kind]
    if kind == "number" and op == "composite" and name == "background":
        pytest.skip("a number is a background")
    if kind == "none" and op.startswith("yuv_") and name == "v":
        pass  # None stands for an interleaved plane, which u is not: refused all the same
    assert_names(tried(op, {**call.arrays, name: wrong}, **call.options), [name])


@needs_torch
@each_array
def test_numpy_and_torch_mixed_is_refused(op, name):
    import torch

    call = VALID[op]()
    if name in call.numpy_only or not set(call.arrays) - call.numpy_only - {name}:
        pytest.skip("no other array that must be of the same kind")
    answer = tried(op, {**call.arrays, name: torch.from_numpy(call.arrays[name].copy())}, **call.options)
    assert_names(answer, call.arrays)


DTYPES = ["bool", "int8", "uint8", "uint16", "uint32", "int32", "int64", "float16", "float32", "float64", "longdouble",
          "complex64", "S1", "datetime64[s]", "object", ">f4", "V3"]  # fmt: skip


@each_array
@pytest.mark.parametrize("dtype", DTYPES)
def test_another_dtype_is_refused_or_documented(op, name, dtype):
    call = VALID[op]()
    good = call.arrays[name]
    if np.dtype(dtype) == good.dtype:
        pytest.skip("the right dtype")
    wrong = np.zeros(good.shape, dtype) if dtype in ("S1", "datetime64[s]", "V3") else good.astype(dtype)
    answer = tried(op, {**call.arrays, name: wrong}, **call.options)
    if dtype in call.dtypes.get(name, ()):
        assert not isinstance(answer, Error) or len(call.arrays) > 1, answer
        return
    assert_names(answer, call.arrays)


@each_array
@pytest.mark.parametrize("rank", ["none", "one", "six"])
def test_another_rank_is_refused(op, name, rank):
    call = VALID[op]()
    good = call.arrays[name]
    wrong = {
        "none": np.zeros((), good.dtype),
        "one": good.ravel(),
        "six": good.reshape((1,) * (6 - good.ndim) + good.shape),
    }
    if wrong[rank].ndim == good.ndim:
        pytest.skip("the right rank")
    assert_names(tried(op, {**call.arrays, name: wrong[rank]}, **call.options), call.arrays)


@each_array
@pytest.mark.parametrize("change", ["longer", "shorter", "empty", "all empty"])
def test_another_size_is_refused_or_served(op, name, change):
    call = VALID[op]()
    good = call.arrays[name]
    for axis in range(good.ndim):
        index = [slice(None)] * good.ndim
        index[axis] = {"shorter": slice(0, -1), "empty": slice(0, 0)}.get(change, slice(None))
        wrong = good[tuple(index)]
        if change == "longer":
            wrong = np.concatenate(
                [good, good[tuple(slice(0, 1) if i == axis else slice(None) for i in range(good.ndim))]], axis
            )
        elif change == "all empty":
            wrong = np.zeros((0,) * good.ndim, good.dtype)
        answer = tried(op, {**call.arrays, name: wrong}, **call.options)
        if isinstance(answer, Error):
            assert_names(answer, [*call.arrays, *call.options])


@each_array
@pytest.mark.parametrize("layout", ["transposed", "reversed", "spaced", "read-only", "zero strides", "odd bytes"])
def test_another_layout_is_right_or_refused(op, name, layout):
    call = VALID[op]()
    good = call.arrays[name]
    if layout == "read-only":
        other = good.copy()
        other.flags.writeable = False
    elif layout == "zero strides":
        good = np.broadcast_to(good[:1], good.shape).copy()
        other = np.broadcast_to(good[:1], good.shape)
    elif layout == "odd bytes":  # strides that are no multiple of the element
        record = np.zeros(good.shape, np.dtype([("pad", "u1"), ("value", good.dtype)]))
        record["value"] = good
        other = record["value"]
    else:
        if good.ndim < 2:
            pytest.skip("one axis")
        other = laid_out(good, layout)
    arrays = {**call.arrays, name: good}
    expected = tried(op, arrays, **call.options)
    before = bytes_of({**arrays, name: other}, call)
    answer = tried(op, {**arrays, name: other}, **call.options)
    assert_same_or_error(answer, expected, [name])
    assert bytes_of({**arrays, name: other}, call) == before, "an input was changed"


def misaligned(array):
    memory = bytearray(array.nbytes + 1)
    view = np.frombuffer(memory, array.dtype, array.size, offset=1).reshape(array.shape)
    view[...] = array
    return view


@each_array
def test_misaligned_data_is_right_or_refused(op, name):
    call = VALID[op]()
    expected = tried(op, call.arrays, **call.options)
    answer = tried(op, {**call.arrays, name: misaligned(call.arrays[name])}, **call.options)
    assert_same_or_error(answer, expected, [name])


@each_array
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_values_that_are_no_numbers(op, name, value):
    call = VALID[op]()
    if call.arrays[name].dtype.kind != "f":
        pytest.skip("integers")
    wild = call.arrays[name].copy()
    wild.flat[wild.size // 2] = value
    arrays = {**call.arrays, name: wild}
    first = tried(op, arrays, **call.options)
    expected = tried(op, call.arrays, **call.options)
    if isinstance(first, Error):
        assert_names(first, [name])
        return
    for got, same, like in zip(first, tried(op, arrays, **call.options), expected, strict=True):
        np.testing.assert_array_equal(got, same)
        assert got.shape == like.shape and got.dtype == like.dtype


WITH_OUT = [op for op, make in VALID.items() if make().out]


@pytest.mark.parametrize("op", WITH_OUT)
@pytest.mark.parametrize("out", ["read-only", "shape", "dtype", "kind", "broadcast", "misaligned", "right", "spaced"])
def test_out(op, out):
    call = VALID[op]()
    expected = run(op, call.arrays, **call.options)
    right = np.empty_like(expected)
    given = {
        "read-only": np.frombuffer(bytes(expected.nbytes), expected.dtype).reshape(expected.shape),
        "shape": np.empty((*expected.shape[:-1], expected.shape[-1] + 1), expected.dtype),
        "dtype": np.empty(expected.shape, np.int64),
        "kind": [1, 2],
        "broadcast": np.lib.stride_tricks.as_strided(right, strides=(0,) * right.ndim),
        "misaligned": misaligned(right),
        "right": right,
        "spaced": laid_out(right, "spaced"),
    }[out]
    answer = tried(op, call.arrays, out=given, **call.options)
    if out in ("right", "spaced") or (out == "misaligned" and not isinstance(answer, Error)):
        assert_same_or_error(answer, [expected], ["out"])
        if not isinstance(answer, Error):
            np.testing.assert_array_equal(given, answer[0])
    else:
        assert_names(answer, ["out"])
    if out == "right":
        assert run(op, call.arrays, out=given, **call.options) is given


@pytest.mark.parametrize(("op", "name"), [(o, n) for o, n in EACH if o in WITH_OUT])
def test_an_out_that_overlaps_an_input_is_refused(op, name):
    call = VALID[op]()
    good = call.arrays[name]
    expected = run(op, call.arrays, **call.options)
    memory = np.zeros(expected.nbytes + good.nbytes + 64, np.uint8)
    out = memory[: expected.nbytes].view(expected.dtype).reshape(expected.shape)
    start = max(0, (expected.nbytes - good.nbytes) // 2) // 8 * 8
    start += 8 if start == 0 and name in call.aliased else 0
    shared = memory[start : start + good.nbytes].view(good.dtype).reshape(good.shape)
    shared[...] = good
    answer = tried(op, {**call.arrays, name: shared}, out=out, **call.options)
    if name in call.numpy_only and not isinstance(answer, Error):  # read before anything is written
        np.testing.assert_array_equal(answer[0], expected)
        return
    assert_names(answer, ["out"])


@pytest.mark.parametrize(("op", "name"), [(o, n) for o, n in EACH if n in VALID[o]().aliased])
def test_an_out_that_is_its_input(op, name):
    call = VALID[op]()
    expected = run(op, call.arrays, **call.options)
    same = call.arrays[name].copy()
    np.testing.assert_array_equal(run(op, {**call.arrays, name: same}, out=same, **call.options), expected)


@needs_torch
@pytest.mark.parametrize("op", VALID)
def test_torch_gives_the_same_with_and_without_gradients(op):
    import torch

    call = VALID[op]()
    expected = tried(op, call.arrays, **call.options)
    tensors = {n: torch.from_numpy(a.copy()) for n, a in call.arrays.items()}
    assert_same_or_error(tried(op, tensors, **call.options), expected, call.arrays)
    for name in call.differentiable:
        leaf = tensors[name].clone().requires_grad_()
        answer = results(run(op, {**tensors, name: leaf}, **call.options))
        assert_same_or_error([a.detach().numpy() for a in answer], expected, [])
        assert any(a.requires_grad for a in answer)
        if call.out:
            out = torch.empty_like(answer[0])
            kept = tried(op, {**tensors, name: leaf}, out=out.detach(), **call.options)
            assert_same_or_error(kept, expected, ["out"])
    if call.out:
        out = torch.from_numpy(np.empty_like(expected[0])).to(torch.float32).requires_grad_()
        answer = tried(op, tensors, out=out, **call.options)
        assert isinstance(answer, Error) or np.array_equal(answer[0], expected[0])


@needs_torch
@each_array
def test_two_devices_mixed_are_refused(op, name):
    import torch

    call = VALID[op]()
    if not torch.cuda.is_available() or len(_C.backends()) < 2:
        pytest.skip("no CUDA device, or a build without CUDA kernels")
    if len(call.arrays) == 1:
        pytest.skip("one array alone")
    tensors = {n: torch.from_numpy(a.copy()) for n, a in call.arrays.items()}
    if name in call.numpy_only:
        pytest.skip(f"{name} stays on the CPU")
    assert_names(tried(op, {**tensors, name: tensors[name].cuda()}, **call.options), call.arrays)


# uint8 images of more than 2^31 elements, of untouched pages: 64-bit offsets all the way. The last pixels carry what is
# looked for, and every result is small, so that memory stays below 4 GiB.
LARGE = {
    "resize": """
image[-8000:, -10000:] = 200
out = resize(image, (5, 5))
assert out[4, 4] > 100 and not out[:3].any() and not out[:, :3].any()
""",
    "warp_affine": """
image[-1, -1] = 77
w, h = image.shape[1] - 1, image.shape[0] - 1
out = warp_affine(image, np.array([[1, 0, 2 - w], [0, 1, 2 - h]]), (4, 4), border=9)
assert out[2, 2] == 77 and out[3, 3] == 9 and out[1, 1] == 0
""",
    "rgb_to_nchw": """
rgb = image.ravel()[: 3 * (image.size // 3)].reshape(1, -1, 3)
rgb[0, -1] = 255
out = rgb_to_nchw(rgb[:, -8:])
assert out[0, 2, 0, -1] == 1 and out[0, 0, 0, 0] == -1
""",
    "composite": """
image[-2:, -2:] = 60
alpha = np.broadcast_to(np.uint8(255), image.shape)
out = image[:, :]
composite(np.broadcast_to(np.uint8(90), image.shape), np.broadcast_to(np.uint8(255), image.shape), image, out=out)
assert out[-1, -1] == 90 and out[0, 0] == 90 and out[out.shape[0] // 2, 7] == 90
""",
}


@pytest.mark.parametrize("op", LARGE)
def test_an_image_of_more_than_2_to_the_31_elements(op):
    if not sys.platform.startswith("linux"):
        pytest.skip("free memory is read the Linux way")
    free_gib = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    available = [line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable")]
    free_gib = int(available[0].split()[1]) / 2**20 if available else free_gib
    if free_gib < 6:
        pytest.skip(f"{free_gib:.1f} GiB of memory free, 6 wanted")
    code = f"import numpy as np\nfrom pyapdraw.ops import {op}\nimage = np.zeros((40_000, 54_000), np.uint8)\n"
    code += f"assert image.size > 2**31\n{LARGE[op]}\nprint('right')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300)
    assert done.stdout.strip() == "right", done.stderr[-1500:]
