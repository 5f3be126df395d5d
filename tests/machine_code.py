"""The machine code of csrc/cuda: compiled for every architecture of a release, taken apart, and looked up by kernel.

    kernels = inspect(source)        # compiles once; later calls read what was kept under build/cuda_code

Needs nvcc, and NVIDIA's cuobjdump and nvdisasm (in the toolkit, or the packages nvidia-cuda-cuobjdump and
nvidia-cuda-nvdisasm).
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sysconfig
import tempfile
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path

from locked import locked

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "csrc" / "cuda"
KEPT = ROOT / "build" / "cuda_code"
INCLUDE = (ROOT / "csrc", ROOT / "csrc" / "include")
FLAGS = ("-std=c++17", "--extended-lambda", "-O3", "-DNDEBUG")  # those of a release build

# Architectures whose PTX would be that of another, for no source asks which of them it is compiled for: assembled from
# the same PTX, which takes a fifth of the time less. (A release compiles for each.)
SAME_PTX = {"86": "80", "89": "80"}


@dataclass
class Code:
    """One kernel for one architecture. opcodes: how often each instruction with its modifiers stands in it, such as
    LDG.E.128. max_threads: of its launch bounds, 0 without."""

    arch: str
    registers: int = 0
    stack_bytes: int = 0
    local_bytes: int = 0
    shared_bytes: int = 0  # the static part
    max_threads: int = 0
    opcodes: dict[str, int] = field(default_factory=dict)

    def has(self, wanted: str) -> bool:
        """Whether an instruction has all parts of `wanted`, in any order: LDG.128 finds LDG.E.128.CONSTANT."""
        name, *parts = wanted.split(".")
        return any(op.split(".")[0] == name and set(parts) <= set(op.split(".")[1:]) for op in self.opcodes)


def releases() -> list[str]:
    """The architectures of a release as CMakeLists.txt writes them: 80-real, ..., 120."""
    text = (ROOT / "CMakeLists.txt").read_text()
    found = re.search(r"set\(PYAPDRAW_RELEASE_ARCHITECTURES ([^)]+)\)", text)
    assert found, "CMakeLists.txt names no PYAPDRAW_RELEASE_ARCHITECTURES"
    return found[1].split()


def targets(source: Path) -> tuple[list[str], list[str]]:
    """(architectures with machine code, architectures with PTX) of a source. A source named *_sm90a.cu is compiled for
    90a alone: its instructions exist nowhere else."""
    if source.stem.endswith("_sm90a"):
        return ["90a"], []
    names = releases()
    return [n.removesuffix("-real") for n in names], [n for n in names if "-" not in n]


def find_nvcc() -> str | None:
    return shutil.which("nvcc") or shutil.which("/usr/local/cuda/bin/nvcc")


@cache
def disassembler() -> Path | None:
    """The folder that holds cuobjdump and nvdisasm."""
    packages = {Path(sysconfig.get_path(kind)) for kind in ("purelib", "platlib")}
    places = [*(p / "nvidia" / "cu13" / "bin" for p in packages), Path("/usr/local/cuda/bin")]
    if found := shutil.which("cuobjdump"):
        places.insert(0, Path(found).parent)
    return next((p for p in places if all(os.access(p / tool, os.X_OK) for tool in ("cuobjdump", "nvdisasm"))), None)


def missing() -> str | None:
    """Why the machine code cannot be looked at here, or None."""
    if not SOURCES.is_dir():
        return "not run from a source tree"
    if not find_nvcc():
        return "needs nvcc to compile the CUDA sources"
    if not shutil.which("c++filt"):
        return "needs c++filt (binutils) to read the kernels' names"
    if not disassembler():
        return "needs cuobjdump and nvdisasm: pip install nvidia-cuda-cuobjdump nvidia-cuda-nvdisasm"
    return None


def included(source: Path) -> set[Path]:
    """The source and every file of this tree that it includes, directly or not."""
    seen: set[Path] = set()
    left = [source]
    while left:
        path = left.pop()
        if path in seen:
            continue
        seen.add(path)
        for name in re.findall(r'^\s*#include\s+"([^"]+)"', path.read_text(), re.M):
            left += [folder / name for folder in (*INCLUDE, path.parent) if (folder / name).is_file()][:1]
    return seen


@cache
def _version() -> str:
    return subprocess.run([find_nvcc() or "nvcc", "--version"], capture_output=True, text=True, check=True).stdout


def inspect(source: Path) -> dict[str, list[Code]]:
    """Kernel name with its template arguments -> its code by architecture; "ptx" among the architectures stands for the
    portable form, with nothing but its presence."""
    machine, portable = targets(source)
    content = hashlib.sha256(f"{_version()} {FLAGS} {machine} {portable} 3".encode())
    for path in sorted(included(source)):
        content.update(path.read_bytes())
    kept = KEPT / f"{source.stem}-{content.hexdigest()[:16]}.json"
    if not kept.exists():
        with locked(KEPT / f"{source.stem}.lock"):
            if not kept.exists():
                _keep(source, kept, machine, portable)
    return {name: [Code(**c) for c in codes] for name, codes in json.loads(kept.read_text()).items()}


def _keep(source: Path, kept: Path, machine: list[str], portable: list[str]) -> None:
    """Compiles a source and writes what `inspect` reads, in the place of what was kept of older states."""
    for old in KEPT.glob(f"{source.stem}-*"):
        if re.fullmatch(r"[0-9a-f]{16}", old.stem.removeprefix(f"{source.stem}-")):
            old.unlink(missing_ok=True)
    binary = KEPT / f"{source.stem}-{os.getpid()}.fatbin"
    compile_fatbin(source, binary, machine, portable)
    found = {name: [asdict(c) for c in codes] for name, codes in disassemble(binary).items()}
    binary.unlink()
    unfinished = kept.with_suffix(f".{os.getpid()}")
    unfinished.write_text(json.dumps(found))
    unfinished.replace(kept)


def compile_fatbin(source: Path, binary: Path, machine: list[str], portable: list[str]) -> None:
    command = [find_nvcc() or "nvcc", *FLAGS, *(f"-I{folder}" for folder in INCLUDE), "--threads", "2"]
    for arch in machine:
        if SAME_PTX.get(arch) in machine:
            continue
        alike = [a for a in machine if a == arch or SAME_PTX.get(a) == arch]
        codes = [f"sm_{a}" for a in alike] + [f"compute_{arch}"] * (arch in portable)
        command += ["-gencode", f"arch=compute_{arch},code=[{','.join(codes)}]"]
    done = subprocess.run([*command, "-fatbin", "-o", str(binary), str(source)], capture_output=True, text=True)
    assert done.returncode == 0, f"{source.name} does not compile:\n{done.stderr[-4000:]}"


def _run(tool: str, *arguments: str | Path, folder: Path | None = None) -> str:
    tools = disassembler()
    assert tools
    command = [str(tools / tool), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, f"{tool} {' '.join(command[1:])}: {done.stderr[-2000:]}"
    return done.stdout


def disassemble(binary: Path) -> dict[str, list[Code]]:
    """As inspect, of a compiled file."""
    codes: dict[tuple[str, str], Code] = {}
    arch = ""
    usage = re.compile(r"REG:(\d+) STACK:(\d+) SHARED:(\d+) LOCAL:(\d+)")
    symbol = ""
    for line in _run("cuobjdump", "--dump-resource-usage", binary).splitlines():
        if found := re.match(r"arch = sm_(\w+)", line):
            arch = found[1]
        elif found := re.match(r"\s*Function (\S+):", line):
            symbol = found[1]
        elif symbol and (found := usage.search(line)):
            registers, stack, shared, local = map(int, found.groups())
            codes[symbol, arch] = Code(arch, registers, stack, local, shared)
            symbol = ""
    with tempfile.TemporaryDirectory() as folder:
        _run("cuobjdump", "-xelf", "all", binary.resolve(), folder=Path(folder))
        for one in Path(folder).iterdir():  # each alone and without its data flow: less time than `cuobjdump -sass`
            _add_opcodes(codes, _run("nvdisasm", "--no-dataflow", "--print-code", one))
    portable = _run("cuobjdump", "-ptx", binary)
    for entry in re.findall(r"\.entry\s+([\w$]+)", portable):
        codes[entry, "ptx"] = Code("ptx")
    _add_bounds(codes, portable)
    names = demangled({name for name, _ in codes})
    result: dict[str, list[Code]] = {}
    for (name, _), code in codes.items():
        result.setdefault(names[name], []).append(code)
    return result


def _add_opcodes(codes: dict[tuple[str, str], Code], text: str) -> None:
    instruction = re.compile(r"/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_]*(?:\.[\w]+)*)")
    arch, counts = "", dict[str, int]()
    for line in text.splitlines():
        if found := re.match(r"\s*\.target\s+sm_(\w+)", line):
            arch = found[1]
        elif found := re.match(r"\.text\.(\S+):", line):
            counts = {}
            if (found[1], arch) in codes:
                codes[found[1], arch].opcodes = counts
        elif found := instruction.search(line):
            counts[found[1]] = counts.get(found[1], 0) + 1


def _add_bounds(codes: dict[tuple[str, str], Code], text: str) -> None:
    """The launch bounds, which PTX repeats; they are the same for every architecture."""
    for entry, x, y, z in re.findall(
        r"\.entry\s+([\w$]+)\([^)]*\)\s*\.maxntid\s+(\d+)(?:,\s*(\d+))?(?:,\s*(\d+))?", text
    ):
        for (symbol, _), code in codes.items():
            if symbol == entry:
                code.max_threads = int(x) * int(y or 1) * int(z or 1)


def demangled(symbols: set[str]) -> dict[str, str]:
    """Symbol -> the function's name with its template arguments, without namespaces and parameters."""
    order = sorted(symbols)
    done = subprocess.run(["c++filt"], input="\n".join(order), capture_output=True, text=True, check=True)
    return {symbol: short(text) for symbol, text in zip(order, done.stdout.splitlines(), strict=True)}


def short(signature: str) -> str:
    """fuse_kernel<float> of 'void pyapdraw::cuda::(anonymous namespace)::fuse_kernel<float>(pyapdraw::Tensor)'."""
    text = signature.replace("(anonymous namespace)::", "").replace("pyapdraw::cuda::", "").replace("pyapdraw::", "")
    depth, end = 0, len(text)
    for i, letter in enumerate(text):
        depth += (letter == "<") - (letter == ">")
        if letter == "(" and depth == 0:
            end = i
            break
    head = text[:end]
    start = depth = 0
    for i, letter in enumerate(head):
        depth += (letter == "<") - (letter == ">")
        if letter in " :" and depth == 0:
            start = i + 1
    return head[start:]
