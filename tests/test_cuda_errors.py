"""Devices that are missing, old, full, lost, mixed or wrongly counted: one clear error each, and never another device.

The driver that is missing here is missed for real; the other faults are those of the emulated runtime.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import fakes_cuda
import numpy as np
import pytest
from cases_valid_calls import VALID, run
from fakes_cuda import EMULATED, SERVED, STATE, Cai, Dl, emulated, fake_library, host, installed, lent, no_device

from pyapdraw import _C, ops
from pyapdraw.errors import BadInput, DeviceError, Unsupported
from pyapdraw.ops import _arrays

SITES = np.random.default_rng(0).random((9, 13)) < 0.2


@no_device
def test_without_a_device_there_is_a_reason():
    assert STATE["devices"] == [] and "no CUDA" in STATE["reason"]
    assert STATE["runtime"] and "sm_" in STATE["built_for"]


@no_device
@pytest.mark.parametrize("op", SERVED)
def test_no_operation_falls_back_silently(op):
    call = VALID[op]()
    with pytest.raises(DeviceError, match="no CUDA"):
        run(op, lent(call, Dl), **call.options)


DRIVERS = {
    "too old": ("11040", "100", "the CUDA driver is too old: it serves CUDA 11.4, this build needs"),
    "no device": ("99000", "100", "no CUDA device here (CUDA_VISIBLE_DEVICES is '')"),
    "stub": ("99000", "34", "no CUDA driver here (libcuda is the stub of the toolkit)"),
    "mismatch": ("99000", "803", "cudaErrorSystemDriverMismatch"),
}


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """A folder with a libcuda.so.1 that can be told what to answer."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("needs Linux and a C compiler")
    folder = tmp_path_factory.mktemp("driver")
    source = Path(__file__).with_name("fake_driver.c")
    subprocess.run([compiler, "-shared", "-fPIC", source, "-o", folder / "libcuda.so.1"], check=True)
    return folder


@no_device
@pytest.mark.parametrize("case", DRIVERS)
def test_what_the_real_runtime_says_of_a_driver(case, driver):
    version, error, message = DRIVERS[case]
    code = (
        "import numpy, pyapdraw; from pyapdraw import _C, ops; from fakes_cuda import Cai\n"
        "try: ops.distance_transform(Cai(numpy.ones((2, 2), bool)))\n"
        "except pyapdraw.errors.DeviceError as e: print(_C.cuda_devices()['reason'], e, sep='\\n')"
    )
    environment = {"LD_LIBRARY_PATH": str(driver), "FAKE_VERSION": version, "FAKE_ERROR": error}
    environment |= {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True, check=False
    )
    reason, raised = done.stdout.splitlines()
    assert reason.startswith(message) and raised.startswith(f"sites: {message}"), done.stdout + done.stderr


def test_a_build_without_cuda_says_so():
    if len(_C.backends()) > 1 or EMULATED:
        pytest.skip("a build with CUDA")
    with pytest.raises(Unsupported, match="no CUDA kernels"):
        ops.distance_transform(Dl(SITES))
    assert "no CUDA kernels" in STATE["reason"]


def test_asking_for_cuda_gives_cuda_or_the_reason(monkeypatch):
    from pyapdraw.style.plan import plan
    from pyapdraw.style.registry import Entry

    style = Entry("both", "module:Class", "", own={"cpu": ("native",), "cuda": ("native", "graph")})
    monkeypatch.setattr(_C, "cuda_devices", lambda: {"reason": "no CUDA driver here"})
    with pytest.raises(DeviceError, match="device: cuda given, but no CUDA driver here"):
        plan(style, None, "cuda")
    monkeypatch.setattr(_C, "cuda_devices", lambda: {"reason": None})
    assert plan(style, None, "cuda").runtime == "native"
    chosen = plan(style, None, "cuda", "graph")
    assert (chosen.device, chosen.runtime) == ("cuda", "graph") and "asked for" in chosen.reason
    with pytest.raises(BadInput, match="one of native expected on cpu"):
        plan(style, None, "cpu", "graph")


def test_info_tells_of_cuda():
    from pyapdraw.about import info, support_table

    assert info()["cuda"].keys() == {"devices", "reason", "driver", "runtime", "built_for"}
    lines = support_table().splitlines()
    table = next(iter(_C.backends().values()))
    assert len(lines) == len(table) + 2 and all(f"| `{op}` " in "\n".join(lines) for op in table)


# Devices. -------------------------------------------------------------------------------------


@emulated
def test_a_call_runs_on_the_device_of_its_arrays_and_restores_the_former():
    before = fakes_cuda.current_device()
    sites, out = SITES.copy(), np.zeros(SITES.shape, np.float32)
    with fakes_cuda.placed(sites, 1), fakes_cuda.placed(out, 1):
        fakes_cuda.runtime_calls()
        ops.distance_transform(Cai(sites), out=Cai(out))
        calls = [c for c in fakes_cuda.runtime_calls() if c[0] in ("cudaSetDevice", "launch")]
    assert calls[0] == ("cudaSetDevice", 1) and calls[-1] == ("cudaSetDevice", 0)
    assert ("launch", 0) in calls and fakes_cuda.current_device() == before
    np.testing.assert_array_equal(out, ops.distance_transform(sites))


@emulated
def test_the_former_device_comes_back_after_an_error():
    with fakes_cuda.failing("launch", 700), pytest.raises(DeviceError):
        ops.distance_transform(Dl(SITES, device=(2, 1)))
    assert fakes_cuda.current_device() == 0


@emulated
def test_mixed_devices_are_refused():
    a, b = np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8)
    with fakes_cuda.placed(b, 1), pytest.raises(DeviceError, match=r"alpha: on cuda:1, the device of .*cuda:0"):
        ops.composite(Cai(a), Cai(b), Cai(a))


@emulated
def test_a_wrong_index_is_refused():
    with pytest.raises(DeviceError, match="index 7 given, 2 CUDA devices here"):
        ops.distance_transform(Dl(SITES, device=(2, 7)))


@emulated
def test_a_pointer_of_the_host_is_refused():
    sites = SITES.copy()
    with fakes_cuda.placed(sites, -1), pytest.raises(BadInput, match="sites: a pointer that CUDA cannot reach"):
        ops.distance_transform(Cai(sites))


FAULTS = {
    "no driver": ("cudaGetDevice", 35, 0, "distance_transform: .*no CUDA driver here"),
    "old driver": ("cudaGetDevice", 35, 11040, "driver is too old: it serves CUDA 11.4, this build needs 13.0"),
    "stub": ("cudaGetDevice", 34, 13000, "stub of the toolkit"),
    "no device": ("cudaGetDevice", 100, 13000, "no CUDA device here"),
    "forked": ("cudaGetDevice", 3, 13000, "'spawn'"),
    "architecture": ("launch", 209, 13000, "this build has kernels for the emulated device, the CUDA device is sm_90"),
    "illegal address": ("launch", 700, 13000, "distance_transform: kernel launch: the CUDA device failed.*start it"),
    "launch failure": ("launch", 719, 13000, "the CUDA device failed"),
    "ECC": ("launch", 214, 13000, "the CUDA device failed"),
    "unplugged": ("launch", 46, 13000, "the CUDA device failed"),
    "capture": ("launch", 900, 13000, "a CUDA graph is being captured"),
    "other": ("launch", 98, 13000, "kernel launch: cudaError 98"),
}  # fmt: skip


@emulated
@pytest.mark.parametrize("fault", FAULTS)
def test_what_a_device_does_wrong_is_one_clear_error(fault):
    call, code, driver, message = FAULTS[fault]
    out = np.zeros(SITES.shape, np.float32)
    with fakes_cuda.failing(call, code, driver), pytest.raises(DeviceError, match=message) as e:
        ops.distance_transform(Cai(SITES), out=Cai(out))
    assert "\n" not in str(e.value)
    np.testing.assert_array_equal(host(ops.distance_transform(Cai(SITES))), ops.distance_transform(SITES))


@emulated
@pytest.mark.parametrize(("card", "message"), [
    (75, "the CUDA device is sm_75; compute capability 8.0 or newer is needed"),
    (121, "the CUDA device is sm_121; build with PYAPDRAW_CUDA_ARCHITECTURES=121"),
])  # fmt: skip
def test_a_card_that_no_build_can_serve_is_told_apart(card, message):
    try:
        fakes_cuda._RUNTIME.emulated_capability(card)
        with fakes_cuda.failing("launch", 209), pytest.raises(DeviceError, match=message):
            ops.distance_transform(Cai(SITES))
    finally:
        fakes_cuda._RUNTIME.emulated_capability(90)


@emulated
@pytest.mark.parametrize(("code", "message"), [(2, "no free memory .5 of 1024 MiB free"), (900, "being captured")])
def test_no_memory_and_allocation_during_a_capture(code, message):
    with fakes_cuda.failing("cudaMalloc", code), pytest.raises(DeviceError, match=message.replace(".", r".*", 1)):
        ops.distance_transform(Dl(SITES))


@emulated
def test_a_library_without_memory():
    tree, kind = fake_library("cupy")

    class OutOfMemoryError(Exception):
        pass

    def empty(shape, dtype):
        raise OutOfMemoryError("out of memory allocating 4 bytes")

    tree["cupy"].empty = empty
    with installed(tree), pytest.raises(DeviceError, match="out: CuPy has no memory for"):
        ops.distance_transform(kind(SITES))


@emulated
@pytest.mark.parametrize(
    ("code", "driver", "reason"), [(35, 0, "no CUDA driver"), (35, 11040, "too old"), (100, 13000, "no CUDA device")]
)
def test_the_reason_for_no_devices(code, driver, reason):
    with fakes_cuda.failing("cudaGetDeviceCount", code, driver):
        state = _C.cuda_devices()
    assert state["devices"] == [] and reason in state["reason"]
    assert [d["index"] for d in _C.cuda_devices()["devices"]] == [0, 1] and _C.cuda_devices()["reason"] is None


def test_torch_tensors_bring_their_stream_and_their_allocator(monkeypatch):
    torch = pytest.importorskip("torch")
    asked, made, seen = [], [], []

    class Tensor:
        is_cuda = True

        def get_device(self):
            return 1

    def current_stream(device):
        asked.append(device)
        return type("Stream", (), {"cuda_stream": 71})

    def empty(count, *, dtype, device):
        made.append((count, dtype, device))
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(_arrays, "_contexts", _arrays._Contexts())
    monkeypatch.delattr(torch._C, "_cuda_getCurrentRawStream", raising=False)  # a build of torch without CUDA has none
    monkeypatch.setattr(torch.cuda, "current_stream", current_stream)
    _arrays.call(lambda *args, ctx: seen.append((args, ctx.stream)), 1, 2, like=Tensor())
    assert asked == [1] and seen == [((1, 2), 71)]
    monkeypatch.setattr(torch, "empty", empty)
    with pytest.raises(DeviceError, match="no free memory on the CUDA device for 4096 bytes of scratch"):
        _arrays._torch_scratch(1, 4096)
    assert made == [(4096, torch.uint8, torch.device("cuda:1"))]
