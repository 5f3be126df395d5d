"""What leaves the house: the sdist is complete, a wheel builds from it, the C++ package is found by CMake."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def build_backend(hook: str, source: Path, target: Path) -> Path:
    code = f"import setuptools.build_meta as b; print('made', b.{hook}({str(target)!r}))"
    # What -O3 makes of the sources is in the module that all other tests run; -O0 takes a third of the time.
    options = {"PYAPDRAW_CUDA": "OFF", "CMAKE_ARGS": "-DCMAKE_BUILD_TYPE=Quick -DCMAKE_CXX_FLAGS_QUICK=-O0"}
    out = run([sys.executable, "-c", code], cwd=source, env={**os.environ, **options})
    return target / out.split("made")[-1].strip()


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    if not (ROOT / "setup.py").exists():
        pytest.skip("not run from a source tree")
    return build_backend("build_sdist", ROOT, tmp_path_factory.mktemp("sdist"))


def test_the_newest_version_of_the_changelog_is_this_one():
    from pyapdraw import __version__

    if not (ROOT / "CHANGELOG.md").exists():
        pytest.skip("not run from a source tree")
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    versions = [heading for heading in headings if heading != "Unreleased"]
    assert versions and max(versions, key=lambda v: [int(n) for n in v.split(".")]) == __version__


def test_sdist_has_everything_needed_and_nothing_built(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode == 0:
        wanted = {n for n in tracked.stdout.split() if n.startswith(("csrc/", "pyapdraw/", "tests/", "bench/"))}
        assert wanted - names == set()
    assert {"LICENSE", "README.md", "CMakeLists.txt", "setup.py", "pyproject.toml"} <= names
    assert not [n for n in names if n.endswith((".so", ".pyc"))]


@pytest.fixture
def cmake():
    found = shutil.which("cmake") or str(Path(sys.executable).parent / "cmake")
    if not Path(found).exists():
        pytest.skip("no cmake")
    return found


def test_wheel_and_cmake_package_from_the_sdist(sdist, tmp_path, cmake):
    """One build, which takes minutes: the wheel draws without the source tree; then from the same objects, for without
    Python the core is the same, the C++ package is installed, found and used."""
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = (path for path in tmp_path.glob("pyapdraw-*") if path.is_dir())
    wheel_draws(build_backend("build_wheel", source, tmp_path), tmp_path)
    cmake_package_works(source, tmp_path, cmake)


def wheel_draws(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "site")
    assert any(n.startswith("pyapdraw/_C") for n in names)
    assert "pyapdraw/weights/manifest.json" in names
    assert not [n for n in names if n.startswith(("tests", "csrc", "bench"))]
    code = (
        "import sys, numpy, pyapdraw, pyapdraw._C; "
        "d = pyapdraw.draw(numpy.full((64, 64, 3), 200, numpy.uint8), aligned=True); "
        "assert d.shape == (64, 64, 3) and 'torch' not in sys.modules; print(pyapdraw.__file__)"
    )
    out = run([sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path / "site")})
    assert str(tmp_path / "site") in out


def cmake_package_works(source, tmp_path, cmake):
    (cache,) = source.glob("build/**/CMakeCache.txt")
    prefix, build, user = tmp_path / "prefix", cache.parent, tmp_path / "user"
    run([cmake, str(build), "-DPYAPDRAW_PYTHON=OFF"])
    run([cmake, "--build", str(build), "--parallel", "2"])
    run([cmake, "--install", str(build), "--prefix", str(prefix)])
    shutil.copytree(ROOT / "examples" / "embed_cpp", user)
    run([cmake, "-S", str(user), "-B", str(user / "build"), f"-DCMAKE_PREFIX_PATH={prefix}"])
    run([cmake, "--build", str(user / "build")])
    out = run([str(user / "build" / "embed")])
    assert " 4.0 3.0 2.0 1.0 0.0 1.0 2.0 3.0 4.0" in out
    assert "refused: out: shape [5,8] given, the shape of sites, [5,9], expected" in out


CARDS = {  # what nvidia-smi answers, and what is built
    None: "80-real;80-virtual",
    "": "80-real;80-virtual",
    "9.0": "90-real;80-virtual",
    "8.6\n8.6\n8.9": "86-real;89-real;80-virtual",
    "7.5": "80-real;80-virtual",  # which the kernels cannot serve
    "7.5\n12.0": "120-real;80-virtual",
    "13.0": "80-real;80-virtual",  # newer than the compiler: it runs the PTX
    "No devices were found": "80-real;80-virtual",
}


@pytest.mark.parametrize("said", CARDS)
def test_a_default_build_is_for_the_cards_that_are_there_and_ptx_for_the_others(tmp_path, cmake, said):
    known = "".join(f"sm_{n}\n" for n in (75, 80, 86, 89, 90, 100, 120))
    programs = {"nvcc": f"printf '{known}'"} | ({} if said is None else {"nvidia-smi": f"printf '{said}\\n'"})
    for name, line in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / name).chmod(0o755)
    script = tmp_path / "ask.cmake"
    script.write_text(
        f"set(CMAKE_PROGRAM_PATH {tmp_path})\n"
        f"include({ROOT}/csrc/cmake/DefaultArchitectures.cmake)\n"
        f'default_architectures(found {tmp_path}/nvcc)\nmessage(STATUS "${{found}}")\n'
    )
    if said is None and shutil.which("nvidia-smi"):
        pytest.skip("there is an nvidia-smi here")
    answer = run([cmake, "-P", str(script)])
    assert answer.strip() == f"-- {CARDS[said]}"


def test_a_program_with_its_own_stream_and_graph_builds_and_runs(tmp_path, cmake):
    built = ROOT / "build" / "dev"
    config = built / "pyapdrawConfig.cmake"
    if not config.exists() or "set(pyapdraw_WITH_CUDA ON)" not in config.read_text():
        pytest.skip("no CUDA build in build/dev (make build, with nvcc)")
    prefix, user = tmp_path / "prefix", tmp_path / "user"
    run([cmake, "--install", str(built), "--component", "dev", "--prefix", str(prefix)])
    shutil.copytree(ROOT / "examples" / "embed_cuda", user)
    run([cmake, "-S", str(user), "-B", str(user / "build"), f"-DCMAKE_PREFIX_PATH={prefix}"])
    run([cmake, "--build", str(user / "build")])
    done = subprocess.run([str(user / "build" / "embed_cuda")], capture_output=True, text=True, check=False)
    from pyapdraw import _C

    if _C.cuda_devices()["devices"]:
        assert done.returncode == 0 and " 0 values differ from the CPU" in done.stdout, done.stdout + done.stderr
    else:
        assert done.returncode == 3 and not done.stderr
        assert re.fullmatch(r"DeviceError: no CUDA (driver|device) here.*\n", done.stdout), done.stdout
