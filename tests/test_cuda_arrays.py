"""CUDA arrays of other libraries, in and out: with stand-ins over host memory, and for real where there is a device.

In the emulated module (tests/test_emulated.py runs this file there) the stand-ins pass through the CUDA kernels. With
the real module on a machine without a device, they get as far as the driver.
"""

import gc
import threading
import weakref

import fakes_cuda
import numpy as np
import pytest
from arrays import laid_out
from cases_valid_calls import VALID, results, run
from fakes_cuda import (
    LIBRARIES,
    REMOVED,
    SERVED,
    Cai,
    Dl,
    emulated,
    fake_library,
    host,
    installed,
    lent,
    no_device,
)

from pyapdraw import _C, ops
from pyapdraw.errors import BadInput, DeviceError, Unsupported
from pyapdraw.ops import _device

SITES = np.random.default_rng(0).random((9, 13)) < 0.2
# Everywhere. --------------------------------------------------------------------------------


@no_device
@pytest.mark.parametrize("make", [Cai, Dl, lambda a: Dl(a, versioned=False)], ids=["cai", "dlpack", "old dlpack"])
def test_without_a_device_the_error_says_why(make):
    with pytest.raises(DeviceError, match=r"^(sites|device): no CUDA (driver|device) here"):
        ops.distance_transform(make(SITES))


MALFORMED = {
    "mask": ({"mask": object()}, "masked"),
    "strides": ({"strides": (13, 1, 1)}, "as many strides"),
    "odd strides": ({"typestr": "<f4", "strides": (13, 3)}, "no multiple of the element"),
    "typestr": ({"typestr": ">f4"}, "element type"),
    "int8": ({"typestr": "|i1"}, "element type"),
    "complex": ({"typestr": "<c8"}, "element type"),
    "no typestr": ({"typestr": REMOVED}, "lacks"),
    "no data": ({"data": REMOVED}, "lacks"),
    "negative": ({"shape": (-1, 13)}, "negative side"),
    "null": ({"data": (0, False)}, "null pointer"),
    "one": ({"data": (1,)}, "as the protocol defines"),
    "text": ({"data": ("x", False)}, "as the protocol defines"),
    "six axes": ({"shape": (1, 1, 1, 1, 9, 13), "strides": None}, "at most 5"),
}


@pytest.mark.parametrize("fault", MALFORMED)
def test_a_malformed_interface_is_refused_by_name(fault):
    entries, message = MALFORMED[fault]
    with pytest.raises(BadInput, match=f"^sites: .*{message}"):
        ops.distance_transform(Cai(SITES, **entries))


def test_an_interface_that_is_no_dict_is_refused():
    wrong = type("Wrong", (), {"__cuda_array_interface__": [1, 2]})()
    with pytest.raises(BadInput, match=r"^sites: "):
        ops.distance_transform(wrong)


def test_host_memory_of_another_library_is_refused_with_the_way_out():
    given = Dl(SITES, device=(1, 0))
    with pytest.raises(BadInput, match=r"sites: memory of the host.*numpy\.asarray"):
        ops.distance_transform(given)
    assert given.streams == [None] and given.deleted == 1


def test_another_accelerator_is_refused():
    with pytest.raises(Unsupported, match="sites: lives on a device that is neither CPU nor CUDA"):
        ops.distance_transform(Dl(SITES, device=(10, 0)))


def test_a_future_dlpack_is_refused():
    with pytest.raises(Unsupported, match="sites: DLPack version 2 given"):
        ops.distance_transform(Dl(SITES, major=2))


@pytest.mark.parametrize("stream", ["x", object(), 1.5j])
def test_a_stream_that_is_none_is_refused(stream):
    with pytest.raises(BadInput, match="stream: "), ops.on_stream(stream):
        pass


def test_stream_objects_of_the_libraries_are_known():
    import ctypes
    from types import SimpleNamespace

    streams = [7, SimpleNamespace(ptr=7), SimpleNamespace(cuda_stream=7), SimpleNamespace(handle=7),
               SimpleNamespace(handle=ctypes.c_void_p(7))]  # fmt: skip
    for stream in streams:
        with ops.on_stream(stream):
            assert _device._stream.get() == 7
    assert _device._stream.get() is None


# Through the emulated device. ---------------------------------------------------------------


MAKERS = {
    "cai 2": lambda a: Cai(a, 2),
    "cai 3": Cai,
    "cai strided": lambda a: Cai(laid_out(a, "spaced") if a.ndim > 1 else a),
    "cai reversed": lambda a: Cai(laid_out(a, "reversed") if a.ndim > 1 else a),
    "cai without strides": lambda a: Cai(np.ascontiguousarray(a), strides=None),
    "dlpack": Dl,
    "dlpack strided": lambda a: Dl(laid_out(a, "spaced") if a.ndim > 1 else a),
    "old dlpack": lambda a: Dl(a, versioned=False),
}


@emulated
@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("op", SERVED)
def test_operations_take_foreign_arrays(op, maker):
    call = VALID[op]()
    expected = results(run(op, call.arrays, **call.options))
    answer = results(run(op, lent(call, MAKERS[maker]), **call.options))
    for got, wanted in zip(answer, expected, strict=True):
        np.testing.assert_allclose(host(got), wanted, rtol=1e-5, atol=1e-6)


@emulated
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("op", SERVED)
def test_results_are_arrays_of_the_same_library(op, library):
    call = VALID[op]()
    tree, kind = fake_library(library)
    if call.inplace and library == "jax":
        with installed(tree), pytest.raises(BadInput, match="read-only"):
            run(op, lent(call, kind), **call.options)
        return
    with installed(tree):
        answer = results(run(op, lent(call, kind), **call.options))
    expected = results(run(op, call.arrays, **call.options))
    for got, wanted in zip(answer, expected, strict=True):
        assert type(got) is kind
        np.testing.assert_array_equal(host(got), wanted)


@emulated
@pytest.mark.parametrize("op", [o for o in SERVED if VALID[o]().out])
def test_out_is_written_and_returned(op):
    call = VALID[op]()
    expected = run(op, call.arrays, **call.options)
    out = Cai(np.full_like(expected, 9))
    assert run(op, lent(call, Cai), out=out, **call.options) is out
    np.testing.assert_array_equal(out.array, expected)


@emulated
def test_operations_in_place():
    if "paste_yuv" not in SERVED:
        pytest.skip("paste_yuv has no CUDA kernel yet")
    call = VALID["paste_yuv"]()
    given = {n: Cai(a.copy()) for n, a in call.arrays.items()}
    run("paste_yuv", call.arrays, **call.options)
    run("paste_yuv", given, **call.options)
    for name, array in call.arrays.items():
        np.testing.assert_array_equal(given[name].array, array)


@emulated
def test_an_interleaved_plane_and_a_background_number():
    y, uv = np.full((4, 6), 90, np.uint8), np.random.default_rng(1).integers(0, 255, (2, 3, 2), np.uint8)
    np.testing.assert_array_equal(host(ops.yuv_to_rgb(Cai(y), Cai(uv))), ops.yuv_to_rgb(y, uv))
    for drawing, value in ((y, 7), (y / np.float32(255), 0.25)):
        alpha = (drawing * 0.5).astype(drawing.dtype)
        got = ops.composite(Cai(drawing), Cai(alpha), value)
        np.testing.assert_array_equal(host(got), ops.composite(drawing, alpha, value))


@emulated
def test_results_without_a_library_speak_both_protocols():
    got = ops.distance_transform(Dl(SITES))
    expected = ops.distance_transform(SITES)
    np.testing.assert_array_equal(host(got), expected)
    assert got.__dlpack_device__() == (2, 0)
    for newer in ({}, {"max_version": (1, 0)}):
        again = ops.resize(_Capsule(got.__dlpack__(stream=1, **newer)), (5, 4))
        np.testing.assert_array_equal(host(again), ops.resize(expected, (5, 4)))


class _Capsule:
    def __init__(self, capsule):
        self.capsule = capsule

    def __dlpack_device__(self):
        return (2, 0)

    def __dlpack__(self, **_):
        made, self.capsule = self.capsule, None
        return made


@emulated
def test_an_exported_result_outlives_its_array():
    gc.collect()
    got = ops.distance_transform(Dl(SITES))
    capsule = _Capsule(got.__dlpack__(stream=-1))
    fakes_cuda.runtime_calls()
    del got
    assert ("cudaFree", 0) not in fakes_cuda.runtime_calls()
    ops.nchw_to_rgb(_view_as_planes(capsule))
    del capsule
    _device._held.clear()
    gc.collect()
    assert ("cudaFree", 0) in fakes_cuda.runtime_calls()


def _view_as_planes(capsule):
    array = _C.DeviceArray(capsule)
    return _C.DeviceArray(array, 0, (1, *array.shape), (0, *array.steps))


@emulated
def test_inputs_are_let_go_after_the_call_without_a_collection():
    gc.collect()
    gc.disable()
    try:
        sites = SITES.copy()
        got = ops.distance_transform(Cai(sites))
        given = weakref.ref(sites)
        del sites
        assert given() is None and got.shape == SITES.shape
        sites = SITES.copy()
        given = weakref.ref(sites)
        with pytest.raises(BadInput):
            ops.resize(Cai(sites), 4)
        del sites
        assert given() is None
    finally:
        gc.enable()


@emulated
def test_a_capsule_that_nobody_takes_is_freed():
    got = ops.distance_transform(Dl(SITES))
    fakes_cuda.runtime_calls()
    for newer in ({}, {"max_version": (1, 1)}):
        got.__dlpack__(stream=-1, **newer)
    del got
    _device._held.clear()
    gc.collect()
    assert ("cudaFree", 0) in fakes_cuda.runtime_calls()


@emulated
@pytest.mark.parametrize("dlpack", [False, True])
def test_read_only_inputs_are_fine_and_outputs_are_not(dlpack):
    frozen = SITES.copy()
    frozen.flags.writeable = False
    make = (lambda a: Dl(a, read_only=not a.flags.writeable)) if dlpack else Cai
    np.testing.assert_array_equal(host(ops.distance_transform(make(frozen))), ops.distance_transform(SITES))
    out = np.zeros(SITES.shape, np.float32)
    out.flags.writeable = False
    with pytest.raises(BadInput, match=r"(out|distance).*read-only"):
        ops.distance_transform(make(SITES), out=make(out))


@emulated
def test_arrays_of_jax_are_never_written():
    tree, kind = fake_library("jax")
    with installed(tree), pytest.raises(BadInput, match="read-only"):
        ops.distance_transform(kind(SITES), out=kind(np.zeros(SITES.shape, np.float32)))


@emulated
@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (3, 0, 4)])
def test_empty_arrays_with_null_pointers(shape):
    got = ops.distance_transform(Cai(np.zeros(shape, bool)))
    assert host(got).shape == shape


@emulated
@pytest.mark.parametrize("op", SERVED)
def test_a_batch_of_nothing_is_nothing(op):
    """Every array with a first axis of no elements where the operation takes that; what it refuses, the CPU refuses."""
    call = VALID[op]()
    empty = {n: a if n in call.numpy_only else a[:0] for n, a in call.arrays.items()}

    def tried(arrays):
        try:
            return [host(x).shape for x in results(run(op, arrays, **call.options))]
        except (BadInput, Unsupported) as error:
            return type(error)

    assert tried({n: a if n in call.numpy_only else Cai(a) for n, a in empty.items()}) == tried(empty)


@emulated
@pytest.mark.parametrize("steps", [(0, 0, 0), (8, 4, 4), (-4, 100, 7)])
def test_slices_of_no_elements_are_contiguous(steps):
    given = _C.DeviceArray(Cai(np.zeros((3, 4, 5), np.float32)))
    view = _C.DeviceArray(given, 0, (2, 0, 4), steps)
    assert view.steps == (0, 4, 1)


@emulated
def test_kinds_are_not_mixed():
    with pytest.raises(BadInput, match="alpha: CUDA arrays of other libraries and numpy arrays are mixed"):
        ops.composite(Cai(np.zeros((2, 2), np.uint8)), np.zeros((2, 2), np.uint8), 3)
    torch = pytest.importorskip("torch")
    with pytest.raises(BadInput, match="alpha: CUDA arrays of other libraries and torch tensors are mixed"):
        ops.composite(Cai(np.zeros((2, 2), np.uint8)), torch.zeros((2, 2), dtype=torch.uint8), 3)


@emulated
def test_a_matrix_stays_on_the_host():
    with pytest.raises(BadInput, match="matrix: "):
        ops.warp_affine(Cai(np.zeros((4, 4), np.uint8)), Cai(np.eye(2, 3)), 4)


@emulated
def test_a_resample_filter_stays_on_the_host():
    call = VALID["modulated_conv2d"]()
    arrays = {n: a for n, a in call.arrays.items() if n in ("x", "weight", "styles")}
    taps = np.array([1, 3, 3, 1], np.float32) / 8
    expected = ops.modulated_conv2d(**arrays, up=2, resample_filter=taps)
    given = {n: Cai(a) for n, a in arrays.items()}
    np.testing.assert_array_equal(host(ops.modulated_conv2d(**given, up=2, resample_filter=taps)), expected)
    with pytest.raises(BadInput, match="resample_filter: Cai given, a numpy array expected"):
        ops.modulated_conv2d(**given, up=2, resample_filter=Cai(taps))
    with pytest.raises(BadInput, match="styles: dtype float64 given, float32 expected"):
        ops.modulated_conv2d(**(given | {"styles": Cai(arrays["styles"].astype(np.float64))}))
    with pytest.raises(Unsupported, match="no CUDA kernel for these arguments"):
        ops.modulated_conv2d(**given, up=2, resample_filter=np.random.default_rng(0).random((4, 4), np.float32))


# Streams. ------------------------------------------------------------------------------------


def waits(calls):
    """(waiting, awaited) pairs of streams: an event recorded, and the wait that follows."""
    recorded, pairs = None, []
    for name, detail in calls:
        if name == "cudaEventRecord":
            recorded = detail
        elif name == "cudaStreamWaitEvent":
            pairs.append((detail, recorded))
    return pairs


@emulated
def test_the_call_runs_on_the_stream_of_the_array():
    fakes_cuda.runtime_calls()
    ops.distance_transform(Cai(SITES, stream=55))
    calls = fakes_cuda.runtime_calls()
    assert {d for name, d in calls if name == "launch"} == {55} and waits(calls) == []
    assert not [name for name, _ in calls if "Synchronize" in name]


@emulated
def test_other_producers_are_waited_for_and_wait_in_turn():
    image = np.zeros((4, 4), np.uint8)
    fakes_cuda.runtime_calls()
    ops.composite(Cai(image, stream=5), Cai(image, stream=6), Cai(image), out=Cai(image.copy(), stream=7))
    calls = fakes_cuda.runtime_calls()
    assert waits(calls) == [(5, 6), (5, 7), (6, 5), (7, 5)]
    order = [name for name, _ in calls if name in ("cudaStreamWaitEvent", "launch")]
    assert order == ["cudaStreamWaitEvent"] * 2 + ["launch"] + ["cudaStreamWaitEvent"] * 2


@emulated
def test_the_legacy_stream_has_two_names():
    fakes_cuda.runtime_calls()
    image = np.zeros((4, 4), np.uint8)
    ops.composite(Cai(image, 2), Cai(image, stream=1), Cai(image))
    assert waits(fakes_cuda.runtime_calls()) == []


@emulated
def test_a_given_stream_is_used_by_this_thread_alone():
    fakes_cuda.runtime_calls()
    with ops.on_stream(91):
        ops.distance_transform(Cai(SITES, stream=5))
        other = threading.Thread(target=lambda: ops.distance_transform(Cai(SITES, 2)))
        other.start()
        other.join()
    ops.distance_transform(Cai(SITES, 2))
    calls = fakes_cuda.runtime_calls()
    launches = [d for name, d in calls if name == "launch"]
    assert launches[0] == 91 and launches[-1] == 0 and set(launches) == {0, 91}
    assert waits(calls) == [(91, 5), (5, 91)]


@emulated
def test_dlpack_producers_hear_the_stream_and_are_kept_until_it_is_done():
    given = Dl(SITES)
    with ops.on_stream(91):
        ops.distance_transform(given)
    assert given.streams == [91]
    plain = Dl(SITES)
    with fakes_cuda.failing("cudaEventQuery", 600):  # not ready
        ops.distance_transform(plain)
        gc.collect()
        assert plain.streams == [1] and plain.deleted == 0
    ops.distance_transform(Cai(SITES))
    gc.collect()
    assert plain.deleted == 1


def without_stream(error, versioned=True):
    """A producer that takes no stream= (PyAV's CUDA planes raise NotImplementedError, older ones TypeError)."""

    class Producer(Dl):
        def __dlpack__(self, **named):
            self.asked = [*getattr(self, "asked", []), sorted(named)]
            if "stream" in named:
                raise error("stream")
            return super().__dlpack__(**named)

    return Producer(SITES, versioned=versioned)


@emulated
@pytest.mark.parametrize("error", [NotImplementedError, TypeError])
@pytest.mark.parametrize("versioned", [True, False])
def test_dlpack_producers_without_streams_are_ordered_after_the_legacy_stream(error, versioned):
    given = without_stream(error, versioned)
    fakes_cuda.runtime_calls()
    with ops.on_stream(91):
        got = ops.distance_transform(given)
    calls = fakes_cuda.runtime_calls()
    np.testing.assert_array_equal(host(got), ops.distance_transform(SITES))
    assert given.streams == [None] and given.asked[-1] == (["max_version"] if versioned else [])
    assert waits(calls) == [(91, 1), (1, 91)]
    order = [name for name, _ in calls if name in ("cudaStreamWaitEvent", "launch")]
    assert order[0] == order[-1] == "cudaStreamWaitEvent" and "launch" in order
    ops.distance_transform(without_stream(error, versioned))  # on the legacy stream itself there is nothing to wait for
    assert waits(fakes_cuda.runtime_calls()) == []


@emulated
def test_what_a_producer_fails_with_is_what_comes():
    class Broken(Dl):
        def __dlpack__(self, **named):
            raise NotImplementedError("planes of this format")

    with pytest.raises(NotImplementedError, match="planes of this format"):
        ops.distance_transform(Broken(SITES))


@emulated
def test_version_2_beside_dlpack_asks_by_dlpack():
    both = type("Both", (Dl,), {"__cuda_array_interface__": Cai(SITES, 2).__cuda_array_interface__})(SITES)
    ops.distance_transform(both)
    assert both.streams == [1]
    newer = type("Newer", (Dl,), {"__cuda_array_interface__": Cai(SITES).__cuda_array_interface__})(SITES)
    ops.distance_transform(newer)
    assert newer.streams == []


@emulated
def test_element_types_without_a_name_come_by_dlpack():
    unnamed = Cai(SITES, typestr="<V2").__cuda_array_interface__
    both = type("Both", (Dl,), {"__cuda_array_interface__": unnamed})(SITES)
    np.testing.assert_array_equal(host(ops.distance_transform(both)), ops.distance_transform(SITES))


@emulated
def test_cupy_calls_run_on_its_current_stream():
    tree, kind = fake_library("cupy")
    fakes_cuda.runtime_calls()
    with installed(tree):
        ops.distance_transform(kind(SITES))
    assert {d for name, d in fakes_cuda.runtime_calls() if name == "launch"} == {77}


@emulated
def test_stream_zero_is_refused():
    with pytest.raises(BadInput, match="sites: stream 0"):
        ops.distance_transform(Cai(SITES, stream=0))


@emulated
def test_consumers_of_a_result_wait_for_its_stream():
    got = ops.distance_transform(Cai(SITES, stream=5))
    assert got.__cuda_array_interface__["stream"] == 5
    fakes_cuda.runtime_calls()
    got.__dlpack__(stream=9)
    assert waits(fakes_cuda.runtime_calls()) == [(9, 5)]
    got.__dlpack__(stream=-1)
    assert waits(fakes_cuda.runtime_calls()) == []
