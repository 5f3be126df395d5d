"""The CUDA sources compile for every architecture of a release, and their machine code is what was meant: nothing in
local memory, registers within the block size, and the instructions of cases_cuda_code.py."""

import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import machine_code
import pytest
from cases_cuda_code import KERNELS, SHARED, Kernel
from machine_code import SOURCES, Code, inspect, targets

from pyapdraw import _C

# The largest first, so that they do not end alone where several processes test.
FILES = sorted((p.name for p in SOURCES.glob("*.cu")), key=lambda name: (-(SOURCES / name).stat().st_size, name))
REGISTERS, STATIC_SHARED_BYTES = 65536, 49 << 10  # of a multiprocessor; of a block, 1 KB of the system's included
LOCAL = {"LDL", "STL"}


@pytest.fixture(scope="module", autouse=True)
def tools():
    if reason := machine_code.missing():
        pytest.skip(reason)


@pytest.fixture(scope="module")
def compiled(tools, record_counts):
    """Source name -> kernels, of all sources."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = dict(zip(FILES, pool.map(lambda name: inspect(SOURCES / name), FILES)))
    kernels = {name for of_file in found.values() for name in of_file}
    codes = [c for of_file in found.values() for of_name in of_file.values() for c in of_name]
    archs = sorted({c.arch for c in codes if c.arch != "ptx"}, key=int)
    record_counts(f"CUDA machine code: {len(found)} sources, {len(kernels)} kernels, {len(codes)} compiled for sm_"
                 f"{', '.join(archs)} and PTX")  # fmt: skip
    return found


def row(name: str) -> Kernel:
    return next((k for k in KERNELS if re.fullmatch(k.name, name)), Kernel(re.escape(name)))


def faults(code: Code, asked: Kernel) -> list[str]:
    """What is wrong with a kernel, in words."""
    found = []
    if code.stack_bytes > asked.stack_bytes:
        found.append(f"a stack frame of {code.stack_bytes} bytes, {asked.stack_bytes} expected")
    if asked.stack_bytes == 0 and (local := sorted({op for op in code.opcodes if op.split(".")[0] in LOCAL})):
        found.append(f"local memory: {', '.join(local)}")
    if code.local_bytes:
        found.append(f"{code.local_bytes} bytes of local memory")
    threads = code.max_threads or asked.threads
    of_block = (code.registers + 7) // 8 * 8 * ((threads + 31) // 32 * 32)
    if of_block > REGISTERS:
        found.append(f"{code.registers} registers for blocks of {threads} threads: no multiprocessor has so many")
    if code.shared_bytes > STATIC_SHARED_BYTES:
        found.append(f"{code.shared_bytes} bytes of static shared memory")
    found += [f"no {need}" for need in asked.needs if not any(code.has(one) for one in need.split("|"))]
    if not code.opcodes.get("EXIT"):
        found.append("no EXIT: not disassembled")
    return found


@pytest.mark.parametrize("file", FILES)
def test_machine_code(file):
    wrong = [
        f"{name}, sm_{code.arch}: {fault}"
        for name, codes in inspect(SOURCES / file).items()
        for code in codes
        if code.arch != "ptx"
        for fault in faults(code, row(name))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("file", FILES)
def test_kernels_are_there_for_every_architecture(file):
    machine, portable = targets(SOURCES / file)
    expected = {*machine, *(["ptx"] if portable else [])}
    for name, codes in inspect(SOURCES / file).items():
        assert {c.arch for c in codes} == expected and len(codes) == len(expected), name


def test_kernels_are_named_after_their_operation(compiled):
    """<op>[_<pass>]_kernel."""
    stems = {*next(iter(_C.backends().values())), *(file.removesuffix(".cu") for file in FILES)}
    for file, kernels in compiled.items():
        assert kernels or file == "backend.cu" or "launch(" not in (SOURCES / file).read_text(), f"{file}: no kernel"
        for name in kernels:
            base = name.split("<")[0]
            known = base in SHARED or any(base == f"{s}_kernel" or base.startswith(f"{s}_") for s in stems)
            assert known and base.endswith("_kernel"), f"{file}: {name} is not named <op>[_<pass>]_kernel"


def test_rows_speak_of_kernels_that_exist(compiled):
    names = {name for kernels in compiled.values() for name in kernels}
    for kernel in KERNELS:
        assert any(row(name) is kernel for name in names), f"{kernel.name} matches no kernel that is left"
        assert kernel.reason or not kernel.stack_bytes, f"{kernel.name}: a stack frame without a reason"
    bases = {name.split("<")[0] for name in names}
    assert set(SHARED) <= bases, set(SHARED) - bases


def test_the_release_list_is_what_is_compiled(compiled):
    archs = {c.arch for kernels in compiled.values() for codes in kernels.values() for c in codes}
    assert {"80", "86", "89", "90", "100", "120", "ptx"} <= archs


def test_no_source_asks_for_its_architecture():
    """machine_code.SAME_PTX rests on that; whether it is compiled for a device at all it may ask."""
    texts = {p.name: p.read_text() for p in SOURCES.parent.rglob("*") if p.suffix in (".cu", ".cuh", ".h")}
    assert not [name for name, text in texts.items() if re.search(r"__CUDA_ARCH__\s*[^)\s]", text)]
    assert re.search(r"__CUDA_ARCH__\s*[^)\s]", "#if __CUDA_ARCH__ >= 890")


@pytest.mark.parametrize("asked", ["release", "80-real;90"])
def test_cmake_compiles_for_what_is_asked(asked, tmp_path):
    if not shutil.which("cmake") or not shutil.which("ninja"):
        pytest.skip("needs cmake and ninja")
    command = ["cmake", "-S", str(machine_code.ROOT), "-B", str(tmp_path), "-G", "Ninja", "-DPYAPDRAW_PYTHON=OFF"]
    done = subprocess.run([*command, f"-DPYAPDRAW_CUDA_ARCHITECTURES={asked}"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = set(re.findall(r"arch=compute_\w+,code=\[([\w,]+)\]", (tmp_path / "build.ninja").read_text()))
    expected = machine_code.releases() if asked == "release" else asked.split(";")
    assert found == {
        f"sm_{a.removesuffix('-real')}" if a.endswith("-real") else f"compute_{a},sm_{a}" for a in expected
    }


PLANTED = {
    # More live values than launch bounds leave registers for.
    "spilling": (
        """__global__ void __launch_bounds__(1024) planted_kernel(const float* x, float* y) {
             float v[96];
             _Pragma("unroll") for (int i = 0; i < 96; ++i) v[i] = x[i * 1024 + threadIdx.x];
             for (int k = 0; k < 8; ++k)
               _Pragma("unroll") for (int i = 0; i < 96; ++i) v[i] = v[i] * v[(i + 37) % 96] + v[(i * 5 + 1) % 96];
             _Pragma("unroll") for (int i = 0; i < 96; ++i) y[i * 1024 + threadIdx.x] = v[i];
           }""",
        Kernel("planted_kernel"),
        ["stack frame", "local memory: LDL"],
    ),
    # An array that is indexed at run time.
    "local array": (
        """__global__ void planted_kernel(const float* x, float* y, int n) {
             float v[16];
             for (int i = 0; i < 16; ++i) v[i] = x[i * 256 + threadIdx.x];
             for (int i = 0; i < n; ++i) v[(i * 7 + threadIdx.x) % 16] += v[i % 16];
             y[threadIdx.x] = v[n % 16];
           }""",
        Kernel("planted_kernel"),
        ["stack frame", "local memory"],
    ),
    # 96 live values, and a row that claims blocks of 1024 threads.
    "too many registers": (
        """__global__ void planted_kernel(const float* x, float* y) {
             float v[96];
             _Pragma("unroll") for (int i = 0; i < 96; ++i) v[i] = x[i * 1024 + threadIdx.x];
             for (int k = 0; k < 8; ++k)
               _Pragma("unroll") for (int i = 0; i < 96; ++i) v[i] = v[i] * v[(i + 37) % 96] + v[(i * 5 + 1) % 96];
             _Pragma("unroll") for (int i = 0; i < 96; ++i) y[i * 1024 + threadIdx.x] = v[i];
           }""",
        Kernel("planted_kernel", threads=1024),
        ["registers for blocks of 1024 threads"],
    ),
    "no tensor cores, narrow loads": (
        """__global__ void planted_kernel(const float* x, float* y) { y[threadIdx.x] = 2 * x[threadIdx.x]; }""",
        Kernel("planted_kernel", needs=("HMMA", "LDSM", "LDGSTS.128", "LDG.128|LDG.256")),
        ["no HMMA", "no LDSM", "no LDGSTS.128", "no LDG.128|LDG.256"],
    ),
    "nothing wrong": (
        """#include "cuda/ptx.cuh"
           using namespace pyapdraw::cuda;
           __global__ void __launch_bounds__(128) planted_kernel(const float4* x, float4* y, int n) {
             __shared__ __align__(16) char tile[4096];
             cp_async16(tile + 16 * threadIdx.x, x + threadIdx.x, threadIdx.x < n);
             cp_async_commit();
             cp_async_wait<0>();
             __syncthreads();
             uint32_t a[4], b[2];
             ldmatrix_x4(a, tile + 16 * (threadIdx.x % 32));
             ldmatrix_x2(b, tile + 16 * (threadIdx.x % 32));
             const float4 own = x[blockIdx.x * 128 + threadIdx.x];
             float d[4] = {own.x, own.y, own.z, own.w};
             mma_m16n8k16<__half>(d, a, b);
             y[threadIdx.x] = make_float4(d[0], d[1], d[2], d[3]);
           }""",
        Kernel("planted_kernel", needs=("HMMA", "LDSM", "LDGSTS.128", "LDG.128", "STG.128", "BAR")),
        [],
    ),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_planted_faults_are_found(fault, tmp_path):
    text, asked, expected = PLANTED[fault]
    source = tmp_path / "planted.cu"
    source.write_text(text)
    machine_code.compile_fatbin(source, tmp_path / "planted.fatbin", ["80", "120"], ["120"])
    found = {name.split("(")[0]: codes for name, codes in machine_code.disassemble(tmp_path / "planted.fatbin").items()}
    assert list(found) == ["planted_kernel"]
    assert {c.arch for c in found["planted_kernel"]} == {"80", "120", "ptx"}
    for code in found["planted_kernel"]:
        if code.arch != "ptx":
            said = faults(code, asked)
            assert len(said) == len(expected), said
            assert all(part in text for part, text in zip(expected, said)), said


def test_a_source_that_does_not_compile_is_a_failure(tmp_path):
    (tmp_path / "broken.cu").write_text("__global__ void f() { return 1; }")
    with pytest.raises(AssertionError, match=r"broken.cu does not compile"):
        machine_code.compile_fatbin(tmp_path / "broken.cu", tmp_path / "x", ["90"], [])


def test_what_is_kept_is_dropped_when_a_header_changes():
    """The key of the kept result covers every header: launch.cuh includes core/backend.h, which includes ops.h."""
    files = {p.name for p in machine_code.included(SOURCES / "fuse_regions.cu")}
    assert {"fuse_regions.cu", "launch.cuh", "backend.h", "ops.h", "tensor.h", "fuse_regions_math.h"} <= files


@pytest.mark.parametrize(
    ("signature", "name"),
    [
        ("void a::(anonymous namespace)::k<float>(a::Tensor, int)", "k<float>"),
        ("pyapdraw::cuda::(anonymous namespace)::k(pyapdraw::Tensor)", "k"),
        ("void pyapdraw::cuda::k<(int)3, __half>(void (*)(int))", "k<(int)3, __half>"),
        ("void pyapdraw::cuda::shapes::k<pyapdraw::cuda::shapes::Tile<float, 3> >(int)", "k<shapes::Tile<float, 3> >"),
        ("planted_kernel(float const*, float*)", "planted_kernel"),
    ],
)
def test_names(signature, name):
    assert machine_code.short(signature) == name
