"""Which commit a record is of: by the hash of the sources that a result depends on, not by what git says of a tree that
was copied, is dirty elsewhere, or has no history at all."""

import hashlib
import io
import subprocess
import tarfile
from pathlib import Path, PurePosixPath

SOURCES = ("csrc", "pyapdraw", "bench", "tests", "CMakeLists.txt")
SUFFIXES = {".py", ".cpp", ".h", ".cu", ".cuh", ".txt"}
LOOKED_AT = 60  # the newest commits, and beyond them where the last one holds the sources


def of_files(files: dict[PurePosixPath, bytes]) -> str:
    """Of everything that a result depends on: the sources in their order, the files of each in order of their paths."""
    content = hashlib.sha256()
    for name in SOURCES:
        for path in sorted(p for p in files if p.parts[0] == name):
            content.update(str(path).encode() + files[path])
    return content.hexdigest()[:16]


def files_here(root: Path) -> dict[PurePosixPath, bytes]:
    found = [p for name in SOURCES for p in ([root / name] if (root / name).is_file() else (root / name).rglob("*"))]
    return {
        PurePosixPath(p.relative_to(root).as_posix()): p.read_bytes()
        for p in found
        if p.is_file() and p.suffix in SUFFIXES
    }


def files_of(commit: str, root: Path) -> dict[PurePosixPath, bytes]:
    packed = subprocess.run(["git", "archive", commit], cwd=root, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        wanted = [m for m in archive if m.isfile() and PurePosixPath(m.name).suffix in SUFFIXES]
        wanted = [m for m in wanted if PurePosixPath(m.name).parts[0] in SOURCES]
        return {PurePosixPath(m.name): archive.extractfile(m).read() for m in wanted}  # type: ignore[union-attr]


def with_sources(sources: str, root: Path) -> str | None:
    """The first of the newest commits that holds these sources, shortened; None without a history that does."""
    said = subprocess.run(
        ["git", "log", "--format=%h"], cwd=root, capture_output=True, text=True, check=False
    ) if root.is_dir() else None  # fmt: skip
    first = None
    for i, commit in enumerate(said.stdout.split() if said is not None and said.returncode == 0 else ()):
        if of_files(files_of(commit, root)) == sources:
            first = commit
        elif first is not None or i >= LOOKED_AT:
            break
    return first
