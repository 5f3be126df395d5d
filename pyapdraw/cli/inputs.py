"""Which files a command line means, and where their results go.

Two promises are kept here: files that lie about in a folder and are no media do not fail a run, and no input is ever
replaced by the drawing of another.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pyapdraw.errors import BadInput, Error, OutputError
from pyapdraw.files import shortened
from pyapdraw.media.kinds import what_is
from pyapdraw.media.photo import SUFFIXES

PICTURE_SUFFIXES = tuple(SUFFIXES)
VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".gif")
# Names that claim to be media: such a file in a folder that is none is told of, any other is passed over.
_PICTURES = ".tif .tiff .avif .bmp .heic .heif .jfif .jp2 .dng .cr2 .cr3 .nef .arw .raf .orf .rw2 .pef .srw"
_VIDEOS = ".avi .mpg .mpeg .ts .m2ts .mts .flv .wmv .asf .ogv .3gp .vob .dv"
CLAIMS = (*PICTURE_SUFFIXES, *VIDEO_SUFFIXES, *_PICTURES.split(), *_VIDEOS.split())
STANDARD = "-"


class Usage(Error):
    """The command line asks for something that no input could satisfy."""


@dataclass(frozen=True)
class Input:
    """One file to draw. path: None for standard input. below: its folder inside the folder that was named, which its
    result keeps. found: in a folder or by a pattern, so it may be something else than media. trouble: why it cannot be
    looked at (a folder)."""

    path: Path | None
    below: Path = Path()
    found: bool = False
    trouble: str | None = None

    def __str__(self) -> str:
        return "<standard input>" if self.path is None else str(self.path)

    @property
    def stem(self) -> str:
        """What outputs are named after."""
        return "standard input" if self.path is None else self.path.stem

    @property
    def name(self) -> str:
        """What messages call it: the last part of the path, or standard input."""
        return self.stem if self.path is None else self.path.name

    @property
    def is_litter(self) -> bool:
        """Whether it was merely found beside media: neither its content nor its name says that it is any."""
        if not self.found or self.trouble or self.path is None or self.path.suffix.lower() in CLAIMS:
            return False
        try:
            what_is(self.path)
        except BadInput:
            return True
        return False


@dataclass(frozen=True)
class Inputs:
    """What a command line means. several: it may mean more than one file, so that results go into a folder unless the
    output is named as a file."""

    files: tuple[Input, ...]
    several: bool


def expand(texts: Sequence[str], output: str, *, recursive: bool = False) -> Inputs:
    """Files meant by the arguments: files themselves, folders by their files, patterns by matches, "-" standard input.

    Hidden files are left out, and the output folder where it lies inside a named one. recursive: folders in folders
    too; links to folders are not followed. A file that is named twice is drawn once. Raises Usage: there is none.
    """
    found: list[Input] = []
    several = len(texts) > 1
    for text in texts:
        path = Path(text)
        if text == STANDARD:
            found.append(Input(None))
        elif os.path.isdir(text):
            found += _in_folder(path, Path(output), recursive)
            several = True
        elif not os.path.lexists(text) and glob.has_magic(text):
            matches = [
                Input(Path(p), found=True) for p in sorted(glob.glob(text, recursive=True)) if not os.path.isdir(p)
            ]
            found += matches or [Input(path)]
            several |= len(matches) > 1
        else:
            found.append(Input(path))  # a missing file is reported in its turn
    unique: dict[str, Input] = {}
    for each in found:
        unique.setdefault(os.path.abspath(each.path) if each.path else STANDARD, each)
    if not unique:
        raise Usage(f"{', '.join(texts)}: no file found")
    return Inputs(tuple(unique.values()), several)


def _in_folder(folder: Path, output: Path, recursive: bool) -> Iterator[Input]:
    closed: list[OSError] = []
    for place, folders, names in os.walk(folder, onerror=closed.append):
        here = Path(place)
        kept = sorted(n for n in folders if not n.startswith(".") and not _same_place(here / n, output))
        folders[:] = kept if recursive else []
        for name in sorted(names):
            if not name.startswith("."):
                yield Input(here / name, here.relative_to(folder), found=True)
    for error in closed:
        yield Input(Path(error.filename), found=True, trouble=f"cannot be read: {error.strerror}")


def _same_place(folder: Path, output: Path) -> bool:
    try:
        return os.path.samefile(folder, output)
    except (OSError, ValueError):
        return False


class Targets:
    """Gives every input its output path. Inputs of one stem do not overwrite each other, nor is an input overwritten.

    output: a file with a suffix of PICTURE_SUFFIXES or VIDEO_SUFFIXES, a folder (also a name without any suffix), or
    "-" for standard output. Raises Usage: one file for what turns out to be several inputs.
    """

    def __init__(self, output: str, inputs: Inputs) -> None:
        if not output:
            raise Usage("output: no name given, a file, a folder or - expected")
        path = Path(output)
        is_folder = os.path.isdir(output) or output.endswith(("/", os.sep)) or not path.suffix
        names_media = path.suffix.lower() in PICTURE_SUFFIXES + VIDEO_SUFFIXES
        self.standard = output == STANDARD
        self.folder = path if not self.standard and (is_folder or (inputs.several and not names_media)) else None
        self.file = None if self.standard or self.folder else path
        self._taken: set[str] = set()
        self._inputs = {_identity(i.path) for i in inputs.files if i.path} - {None}
        if self.folder is None and len(inputs.files) > 1:
            media = [i for i in inputs.files if not i.is_litter]
            if len(media) > 1:
                raise Usage(f"{output}: one output given for {len(media)} inputs, a folder expected")

    def of(self, source: Input, is_video: bool) -> Path:
        """The path of a result. Raises Usage: a file of another kind. OutputError: the folder cannot be made."""
        allowed = VIDEO_SUFFIXES if is_video else PICTURE_SUFFIXES
        if self.file is not None:
            if self.file.suffix.lower() not in allowed:
                kind = "a video" if is_video else "a picture"
                raise Usage(f"{self.file}: output for {kind} given, one of {', '.join(allowed)} expected")
            return self.file
        assert self.folder is not None
        folder = self.folder / source.below
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            why = "there is a file of that name" if isinstance(e, FileExistsError) else e.strerror
            raise OutputError(f"{folder}: the output folder cannot be made ({why})") from e
        for path in self._names(folder, source, allowed[0]):
            key = str(path).lower()  # some file systems tell no capitals from small letters
            if key not in self._taken and _identity(path) not in self._inputs:
                self._taken.add(key)
                return path
        raise AssertionError("the names go on without end")

    def _names(self, folder: Path, source: Input, suffix: str) -> Iterator[Path]:
        yield folder / shortened(source.stem, suffix)
        yield folder / shortened(source.name, suffix)
        number = 2
        while True:
            yield folder / shortened(source.name, f" ({number}){suffix}")
            number += 1


def _identity(path: Path) -> tuple[int, int] | None:
    """What makes two names one file; None where there is no file."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
