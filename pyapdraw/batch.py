"""Many inputs, one output each: which files a command line means, where their results go, and what became of each."""

from __future__ import annotations

import glob
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pyapdraw.aligned import beside as file_beside
from pyapdraw.aligned import read_aligned_landmarks, read_mask
from pyapdraw.artist import Artist, FrameArtist, NoFace, aligned_face
from pyapdraw.clock import Clock
from pyapdraw.errors import BadInput, Error, OutputError
from pyapdraw.files import atomic_write, check_output, what_is
from pyapdraw.photo import read_photo, write_image

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
VIDEO_SUFFIXES = (".mp4",)


@dataclass(frozen=True)
class Given:
    """What is known of aligned photos: landmark files and person masks, each a file or a folder with their names."""

    landmarks: str | None = None
    masks: str | None = None

    def __bool__(self) -> bool:
        return self.landmarks is not None or self.masks is not None


NOTHING = Given()


class Usage(Error):
    """The command line asks for something that no input could satisfy."""


@dataclass
class Outcome:
    """What became of one input. status: done, skipped (no face, by policy) or failed."""

    source: str
    target: str | None = None
    status: str = "done"
    error: str | None = None
    output_failed: bool = False
    wall_s: float = 0.0
    details: dict[str, Any] = field(default_factory=dict)


def expand(inputs: Sequence[str]) -> list[Path]:
    """Files meant by the arguments: files themselves, folders by their files (no hidden ones), patterns by matches."""
    found: list[Path] = []
    for text in inputs:
        path = Path(text)
        if path.is_dir():
            found += sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith("."))
        elif not path.exists() and glob.has_magic(text):
            matches = [Path(p) for p in sorted(glob.glob(text)) if Path(p).is_file()]
            found += matches or [path]
        else:
            found.append(path)  # a missing file is reported in its turn
    unique = dict.fromkeys(found)
    if not unique:
        raise Usage(f"{', '.join(inputs)}: no file found")
    return list(unique)


class Targets:
    """Gives every input its output path; inputs of the same stem in one folder do not overwrite each other."""

    def __init__(self, output: str, several: bool) -> None:
        path = Path(output)
        self.folder = path if several or path.is_dir() or output.endswith(("/", os.sep)) else None
        self.file = None if self.folder else path
        if several and path.suffix.lower() in PICTURE_SUFFIXES + VIDEO_SUFFIXES and not path.is_dir():
            raise Usage(f"{output}: one output file given for several inputs, a folder expected")
        self._taken: set[str] = set()

    def of(self, source: Path, is_video: bool) -> Path:
        allowed = VIDEO_SUFFIXES if is_video else PICTURE_SUFFIXES
        if self.file is not None:
            if self.file.suffix.lower() not in allowed:
                kind = "a video" if is_video else "a picture"
                raise Usage(f"{self.file}: output for {kind} given, one of {', '.join(allowed)} expected")
            return self.file
        assert self.folder is not None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            raise OutputError(f"{self.folder}: the output folder cannot be made ({e.strerror})") from e
        name = source.stem + allowed[0]
        if name.lower() in self._taken:
            name = source.name + allowed[0]
        self._taken.add(name.lower())
        return self.folder / name


def side_by_side(photo: np.ndarray, drawing: np.ndarray) -> np.ndarray:
    """Photo uint8 [H,W,3] and drawing [H,W] or [H,W,3] next to each other: [H,2W,3]."""
    if drawing.ndim == 2:
        drawing = np.repeat(drawing[:, :, None], 3, axis=2)
    return np.concatenate([photo, drawing], axis=1)


def draw_photo_file(
    artist: Artist, source: Path, target: Path, *, beside: bool, overwrite: bool, given: Given
) -> dict[str, Any]:
    """Draws one photo file; returns faces, size and stage times."""
    clock = Clock()
    with clock("read"):
        check_output(target, overwrite=overwrite, inputs=[source])
        photo = read_photo(source)
        points, person = None, None
        if given.landmarks is not None:
            path = file_beside(given.landmarks, source, (".txt",))
            points = read_aligned_landmarks(path, source, photo.pixels.shape)
        if given.masks is not None:
            person = read_mask(file_beside(given.masks, source), source, photo.pixels.shape)
    with clock("faces"):
        faces = artist.choose(artist.faces(photo.pixels)) if points is None else [aligned_face(photo.pixels, points)]
    drawing = artist.draw_pixels(photo.pixels, faces, clock, person=person)
    with clock("write"):
        result = side_by_side(photo.pixels, drawing) if beside else drawing
        write_image(result, target, overwrite=overwrite, inputs=[source])
    height, width = photo.pixels.shape[:2]
    return {
        "kind": "photo",
        "size_px": [width, height],
        "faces": [_face_record(f) for f in faces],
        "stages_s": clock.seconds,
    }


def draw_video_file(
    artist: Artist, source: Path, target: Path, *, beside: bool, overwrite: bool, given: Given
) -> dict[str, Any]:
    """Draws one video file; returns the report of the video loop with the stages of the drawing in it."""
    if given:
        raise BadInput(f"{source}: a video given, photos expected with landmark or mask files")
    from pyapdraw.video import VideoOptions, draw_video  # PyAV is loaded for videos alone

    frames = FrameArtist(artist)

    def draw(rgb: np.ndarray, time_s: float) -> np.ndarray | None:
        drawing = frames(rgb, time_s)
        return side_by_side(rgb, rgb if drawing is None else drawing) if beside else drawing

    options = VideoOptions(draw_stages=lambda: frames.clock.seconds)
    report = draw_video(source, target, draw, overwrite=overwrite, options=options)
    return {"kind": "video", **report, "faces_per_frame": frames.faces_per_frame}


def is_moving(source: Path, targets: Targets) -> bool:
    """Whether an input is drawn as a video. A moving GIF, WebP or PNG is one when its output is named as a video."""
    kind = what_is(source).what
    return kind == "video" or (
        kind == "animation" and targets.file is not None and targets.file.suffix.lower() in VIDEO_SUFFIXES
    )


def draw_one(
    artist: Artist, source: Path, targets: Targets, *, beside: bool, overwrite: bool, given: Given = NOTHING
) -> Outcome:
    """Draws one input whatever it is; every failure becomes part of the outcome."""
    outcome = Outcome(str(source))
    start = time.perf_counter()
    try:
        is_video = is_moving(source, targets)
        target = targets.of(source, is_video)
        outcome.target = str(target)
        work = draw_video_file if is_video else draw_photo_file
        outcome.details = work(artist, source, target, beside=beside, overwrite=overwrite, given=given)
    except NoFace as e:
        skip = artist.options.no_face == "skip"
        outcome.status, outcome.error = ("skipped" if skip else "failed"), str(e).replace("image", str(source), 1)
    except Usage:
        raise
    except Error as e:
        outcome.status, outcome.error, outcome.output_failed = "failed", str(e), isinstance(e, OutputError)
    outcome.wall_s = time.perf_counter() - start
    return outcome


def draw_all(
    artist: Artist, sources: Sequence[Path], targets: Targets, tell: Callable[[Outcome], None], **options: Any
) -> list[Outcome]:
    """Draws every input in turn; `tell` hears of each outcome as it comes."""
    outcomes = []
    for source in sources:
        outcome = draw_one(artist, source, targets, **options)
        tell(outcome)
        outcomes.append(outcome)
    return outcomes


def write_report(path: str, artist: Artist, outcomes: Sequence[Outcome], wall_s: float, load_s: float) -> None:
    """Writes the JSON of a run: what was chosen and why, and one record an input."""
    record = {
        "style": artist.style_name,
        "plan": asdict(artist.plan),
        "options": asdict(artist.options),
        "wall_s": wall_s,
        "load_s": load_s,
        "inputs": [asdict(o) for o in outcomes],
    }
    with atomic_write(path, overwrite=True) as f:
        f.write(json.dumps(record, indent=1, default=float).encode())


def _face_record(face: Any) -> dict[str, Any]:
    return {
        "box_px": [round(float(v), 2) for v in face.box_px],
        "landmarks_px": np.round(np.asarray(face.landmarks_px, float), 2).tolist(),
        "score": round(float(face.score), 4),
    }


__all__ = ["BadInput", "Given", "Outcome", "Targets", "Usage", "draw_all", "draw_one", "expand", "write_report"]
