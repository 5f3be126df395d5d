"""The emulated device itself: right kernels give what they should, and planted faults are noticed without a sanitizer.

What only a sanitizer sees (races, overruns of dynamic shared memory and of the workspace) is in native/sanitize.sh.
"""

import re
import subprocess

import pytest
from emulated import module

pytestmark = pytest.mark.skipif(module.missing() is not None, reason=str(module.missing()))

NOTICED = {
    "missing_barrier": "wrong result",
    "missing_syncwarp": "wrong result",
    "missing_copy_wait": "wrong result",
    "late_copy_wait": "wrong result",
    "early_copy": "wrong result",
    "order_of_threads": "wrong result",
    "uninitialised_static_shared": "wrong result",
    "uninitialised_integer": "wrong result",
    "uninitialised_dynamic_shared": "wrong result",
    "overrun_of_static_shared": r"kernel overrun_of_static_shared_kernel: index out of bounds at .*faults.cpp:\d+",
    "misaligned_vector": r"kernel misaligned_vector_kernel: misaligned access at .*faults.cpp:\d+",
    "wide_cast": r"kernel wide_cast_kernel: float beyond the integer type at .*faults.cpp:\d+",
    "misaligned_copy": r"misaligned address in cp_async16 at .*faults.cpp:\d+",
    "divergent_barrier": r"different barriers met: thread \(32,0,0\) .* comes to __syncthreads at .*faults.cpp:\d+, "
    r"but thread \(0,0,0\) .* waits in __syncthreads at .*faults.cpp:\d+",
    "half_warp_shuffle": r"deadlock: thread \(0,0,0\) .* waits in __shfl_xor_sync at .*faults.cpp:\d+ for the lanes "
    r"0xffffffff, but thread \(16,0,0\) .* has ended",
    "shuffle_beside_barrier": r"deadlock: .* waits in __shfl_xor_sync .* waits in __syncthreads",
    "different_masks": r"deadlock: thread \(1,0,0\) .* for the lanes 0xffffffff",
    "lane_outside_mask": r"__shfl_sync at .* for the lanes 0x0000ffff, itself not among them",
    "too_many_threads": "kernel launch: invalid configuration argument",
    "shared_without_leave": "kernel launch: invalid argument",
}


@pytest.fixture(scope="module")
def program():
    return module.build("device_checks")


def test_right_kernels(program, record_counts):
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"[1-9]\d* checks, 0 failed", done.stdout)
    record_counts(done.stdout.strip())


@pytest.mark.parametrize("fault", NOTICED)
def test_fault_is_noticed(fault, program):
    done = subprocess.run([program, fault], capture_output=True, text=True, check=False)
    assert re.match(rf"{fault}: .*{NOTICED[fault]}", done.stdout), done.stdout + done.stderr


def test_every_fault_has_its_check(program):
    """Those that need a sanitizer are in sanitize.sh."""
    script = (module.ROOT / "tests" / "native" / "sanitize.sh").read_text()
    source = (module.ROOT / "tests" / "emulated" / "checks" / "faults.cpp").read_text()
    planted = re.findall(r'(?:plain|copying)\("(\w+)"|^ +\{"(\w+)"', source, re.MULTILINE)
    names = {a or b for a, b in planted}
    assert len(names) > 20
    assert not [name for name in names if name not in NOTICED and not re.search(rf"\b{name}\b", script)]
